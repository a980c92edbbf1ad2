# The models of all seeds as one, on labelled sets and on the videos of the configs:  snakemake --cores 8 ensembles


localrules:
    ensembles,


rule ensembles:
    """Join the predictions of all seeds of each kind, and of the kinds that the configs pool."""
    input:
        ensemble_targets,


for name in DATASETS:

    rule:
        name:
            f"ensembles_{name}"
        input:
            lambda wildcards, dataset=name: ensembles_of(dataset),
        localrule: True


rule ensemble_images:
    """Join several models' predictions on labelled frames to one."""
    input:
        members=image_members,
    output:
        predictions="results/{dataset}/ensemble/{ensemble}/image_preds/{csv}/predictions.csv",
    log:
        "results/{dataset}/logs/ensemble_images.{ensemble}.{csv}.log",
    benchmark:
        "results/{dataset}/benchmarks/ensemble_images.{ensemble}.{csv}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(1)
    resources:
        mem_mb=table_mb,
        runtime=table_minutes,
    params:
        options=ensemble_options,
        code=fingerprint("lightning_pose.cli.ensemble", *SETTINGS_CODE),
    shell:
        "litpose ensemble {input.members:q}"
        " {params.options:q}"
        " --output {output.predictions:q}"
        " > {log:q} 2>&1"


use rule ensemble_images as ensemble_video with:
    input:
        members=video_members,
    output:
        predictions="results/{dataset}/ensemble/{ensemble}/video_preds/{video}/predictions.csv",
    log:
        "results/{dataset}/logs/ensemble_video.{ensemble}.{video}.log",
    benchmark:
        "results/{dataset}/benchmarks/ensemble_video.{ensemble}.{video}.tsv"
    resources:
        mem_mb=blocks_mb,
        runtime=table_minutes,
