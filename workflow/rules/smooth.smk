# What all seeds find in the videos of the configs, smoothed:  snakemake --cores 8 smoothed


localrules:
    smoothed,


rule smoothed:
    """Smooth what the members of each ensemble find in the videos of the configs."""
    input:
        smoothed_targets,


rule smooth_video:
    """Smooth several models' predictions on a video by the Ensemble Kalman Smoother."""
    input:
        members=video_members,
    output:
        predictions="results/{dataset}/ensemble/{ensemble}/video_preds/{video}/smoothed_predictions.csv",
    log:
        "results/{dataset}/logs/smooth_video.{ensemble}.{video}.log",
    benchmark:
        "results/{dataset}/benchmarks/smooth_video.{ensemble}.{video}.tsv"
    conda:
        "../../envs/eks.yaml"
    threads: share_of(1)
    resources:
        mem_mb=smoothing_mb,
        runtime=smoothing_minutes,
    params:
        python=EKS_OPTIONS,
        options=smoothing_options,
        code=fingerprint("lightning_pose.cli.smooth", *SETTINGS_CODE),
    shell:
        "litpose smooth {input.members:q}"
        " {params.python:q}"
        " {params.options:q}"
        " --output {output.predictions:q}"
        " > {log:q} 2>&1"
