# From labelled frames to the OOD plots:  snakemake --cores 8 results/<dataset>/ood_plots.pdf


include: "workflow/rules/common.smk"
include: "workflow/rules/common_files.smk"
include: "workflow/rules/common_changed.smk"
include: "workflow/rules/common_video.smk"
include: "workflow/rules/common_ensemble.smk"
include: "workflow/rules/common_smooth.smk"
include: "workflow/rules/common_resources.smk"
include: "workflow/rules/common_gallery.smk"


report: "workflow/report/workflow.rst"


# with --sdm apptainer; snakemake --config container=docker://... takes another image
container: config.get("container", "envs/cropzoom.sif")


localrules:
    all,


rule all:
    """Make the OOD plots of every dataset that has a config, unless the config says otherwise."""
    input:
        default_targets,


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/crop.smk"
include: "workflow/rules/video.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/cropzoom.smk"
include: "workflow/rules/shards.smk"
include: "workflow/rules/crop_qa.smk"
include: "workflow/rules/label_video.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/ensemble.smk"
include: "workflow/rules/smooth.smk"
include: "workflow/rules/fiftyone.smk"
include: "workflow/rules/gallery.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/groups.smk"


for name in DATASETS:
    if workflow.is_rule(name):
        raise WorkflowError(
            f"config/{name}.yaml: expected a name that no rule has, found {name}"
        )

    rule:
        name:
            name
        input:
            f"results/{name}/ood_plots.pdf",
        localrule: True


include: "workflow/rules/large_dag.smk"
