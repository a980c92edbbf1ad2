# The models of all seeds as one, on labelled sets and on the videos of the configs:  snakemake --cores 8 ensembles


localrules:
    ensembles,
    expected_errors,


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


rule expected_errors:
    """Say how wrong the keypoints of the configs' videos probably are."""
    input:
        expected_error_targets,


rule calibrate:
    """Learn from labelled frames how wrong an ensemble's keypoints are, and how to tell without labels."""
    input:
        ind_labels=ind_labels,
        ood_labels=ood_labels,
        ind=ensemble_on_ind,
        ood=ensemble_on_ood,
    output:
        calibration="results/{dataset}/ensemble/{ensemble}/calibration.json",
    log:
        "results/{dataset}/logs/calibrate.{ensemble}.log",
    benchmark:
        "results/{dataset}/benchmarks/calibrate.{ensemble}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(1)
    resources:
        mem_mb=table_mb,
        runtime=table_minutes,
    params:
        ood=ood_set_option,
        code=fingerprint("lightning_pose.cli.calibrate", *SETTINGS_CODE),
    shell:
        "litpose calibrate"
        " --set InD {input.ind_labels:q} {input.ind:q}"
        " {params.ood:q}"
        " --output {output.calibration:q}"
        " > {log:q} 2>&1"


rule expect_errors:
    """Apply what labelled frames taught to an ensemble's predictions on a video; draw trajectories in bands."""
    input:
        calibration="results/{dataset}/ensemble/pose_{ratio}/calibration.json",
        predictions="results/{dataset}/ensemble/cropzoom_{ratio}/video_preds/{video}/predictions.csv",
    output:
        table="results/{dataset}/ensemble/cropzoom_{ratio}/video_preds/{video}/expected_error.csv",
        plot="results/{dataset}/ensemble/cropzoom_{ratio}/video_preds/{video}/expected_error.pdf",
    log:
        "results/{dataset}/logs/expect_errors.{ratio}.{video}.log",
    benchmark:
        "results/{dataset}/benchmarks/expect_errors.{ratio}.{video}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(1)
    resources:
        mem_mb=table_mb,
        runtime=table_minutes,
    params:
        code=fingerprint("lightning_pose.cli.expected_error", *SETTINGS_CODE),
    shell:
        "litpose expected_error {input.calibration:q} {input.predictions:q}"
        " --output {output.table:q}"
        " --plot {output.plot:q}"
        " > {log:q} 2>&1"
