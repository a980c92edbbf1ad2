# What Snakemake would do for each of ten thousand jobs, and need not (docs/scale.md). Included last.
import atexit
import gc
import inspect

from snakemake.resources import Resource

# a DAG's objects live until the end: neither is there garbage among them, nor need they be taken apart before leaving
gc.set_threshold(100_000, 50, 1000)
atexit.register(gc.freeze)

# it asks several times a job which arguments an input function takes
INPUT_FUNCTIONS = [
    value
    for value in globals().values()
    if inspect.isfunction(value) and value.__code__.co_filename.endswith(".smk")
]
for function in [*INPUT_FUNCTIONS, Resource.evaluate]:
    function.__signature__ = inspect.signature(function)

# it copies all names of the workflow to show a job's command: ours name none of them
workflow.modifier.globals = {"config": config}
