# Videos with what the cropzoom models found in them:  snakemake --cores 8 labeled_videos


localrules:
    labeled_videos,


rule labeled_videos:
    """Draw the predictions of all seeds and crop ratios into the videos that the configs name."""
    input:
        labeled_video_targets,


rule label_video:
    """Draw predictions and boxes into a video, and a few of its frames into a picture."""
    input:
        predictions="results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/predictions.csv",
        bbox="results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/bbox.csv",
        video=named_video,
    output:
        video="results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/labeled.mp4",
        sheet=report(
            "results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/contact_sheet.png",
            caption="../report/contact_sheet.rst",
            category="{dataset}",
            subcategory="videos",
        ),
    log:
        "results/{dataset}/logs/label_video.{seed}_{ratio}.{video}.log",
    benchmark:
        "results/{dataset}/benchmarks/label_video.{seed}_{ratio}.{video}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(LABELING_CORES)
    resources:
        mem_mb=labeling_mb,
        runtime=labeling_minutes,
    params:
        config="config/{dataset}.yaml",
        drawn=drawn_settings,
        code=fingerprint("lightning_pose.cli.label_video", *SETTINGS_CODE),
    shell:
        "litpose label_video {input.video:q} {input.predictions:q}"
        " --bbox {input.bbox:q}"
        " --config {params.config:q}"
        " --output {output.video:q}"
        " --contact_sheet {output.sheet:q}"
        " > {log:q} 2>&1"
