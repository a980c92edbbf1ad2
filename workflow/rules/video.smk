# Unlabelled videos of trainings that learn from them: predictions of the detector, and boxes to crop them by.


rule predict_video:
    """Predict on all frames of an unlabelled video."""
    input:
        weights="results/{dataset}/single_{seed}/model.safetensors",
        splits="results/{dataset}/single_{seed}/splits.json",
        video=video_file,
    output:
        predictions="results/{dataset}/single_{seed}/video_preds/{video}/predictions.csv",
    log:
        "results/{dataset}/logs/predict_video.single_{seed}.{video}.log",
    benchmark:
        "results/{dataset}/benchmarks/predict_video.single_{seed}.{video}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(TRAINING_CORES)
    resources:
        mem_mb=video_mb,
        runtime=video_minutes,
    params:
        model=subpath(input.weights, parent=True),
        runtime=runtime,
        code=VIDEO_CODE,
    shell:
        "litpose predict {params.model:q} {input.video:q}"
        " --runtime {params.runtime:q}"
        " --output {output.predictions:q}"
        " > {log:q} 2>&1"


rule create_video_bbox:
    """Place a box around the animal in every frame of an unlabelled video."""
    input:
        predictions="results/{dataset}/single_{seed}/video_preds/{video}/predictions.csv",
        video=video_file,
    output:
        bbox="results/{dataset}/crop_{seed}_{ratio}/{video}/bbox.csv",
    log:
        "results/{dataset}/logs/create_video_bbox.{seed}_{ratio}.{video}.log",
    benchmark:
        "results/{dataset}/benchmarks/create_video_bbox.{seed}_{ratio}.{video}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(1)
    resources:
        mem_mb=table_mb,
        runtime=table_minutes,
    params:
        anchors=anchor_keypoints,
        boxes=video_box_options,
        code=fingerprint("lightning_pose.cli.create_bbox", *SETTINGS_CODE),
    shell:
        "litpose create_bbox"
        " --predictions {input.predictions:q}"
        " --video {input.video:q}"
        " {params.boxes:q}"
        " --anchor_keypoints={params.anchors:q}"
        " --output {output.bbox:q}"
        " > {log:q} 2>&1"
