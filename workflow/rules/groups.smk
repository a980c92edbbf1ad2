# Snakemake 9 joins groups of jobs (group-components) by changing groups that it keeps and finds by their jobs. After a
# checkpoint it joins them again: jobs were submitted twice, and groups grew beyond what was asked for. Here groups are
# joined to new ones, always in the same order, and what runs stays as it was submitted.
from collections import defaultdict

from snakemake.common import group_into_chunks
from snakemake.dag import DAG


def join_groups(dag):
    """Take DAG._update_group_components' place."""
    for group in dag._running:
        if group.is_group():
            dag._group.update(dict.fromkeys(group.jobs & dag._group.keys(), group))
    waiting = defaultdict(set)
    for group in dag._group.values():
        if group not in dag._running:
            waiting[group.groupid].add(group)
    for groupid, groups in waiting.items():
        name = dag.workflow.parent_groupids.get(groupid, groupid)
        size = dag.workflow.group_settings.group_components.get(name, 1)
        if size == 1:
            continue
        in_order = sorted(groups, key=lambda group: min(map(dag.jobid, group.jobs)))
        for chunk in group_into_chunks(size, in_order):
            jobs = frozenset().union(*(group.jobs for group in chunk))
            joined = dag.group_job_factory.new(
                groupid, jobs, dag.workflow.global_resources
            )
            dag._group.update(dict.fromkeys(jobs, joined))
    for group in dag._group.values():
        group.finalize()


DAG._update_group_components = join_groups
