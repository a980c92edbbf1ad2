# Detector and pose model as one, and its predictions on the videos of the config.


localrules:
    create_cropzoom,
    videos,
    video_metrics,


rule videos:
    """Predict on the videos that the configs name, with the cropzoom models of all seeds and crop ratios."""
    input:
        video_targets,


rule video_metrics:
    """Measure the predictions on the videos that the configs name."""
    input:
        video_metrics_targets,


rule create_cropzoom:
    """Join a detector and the pose model of its crops to one model."""
    input:
        detector="results/{dataset}/single_{seed}/model.safetensors",
        pose="results/{dataset}/pose_{seed}_{ratio}/model.safetensors",
    output:
        cropzoom="results/{dataset}/cropzoom_{seed}_{ratio}/cropzoom.json",
    log:
        "results/{dataset}/logs/create_cropzoom.{seed}_{ratio}.log",
    benchmark:
        "results/{dataset}/benchmarks/create_cropzoom.{seed}_{ratio}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(1)
    params:
        detector=subpath(input.detector, parent=True),
        pose=subpath(input.pose, parent=True),
        folder=subpath(output.cropzoom, parent=True),
        anchors=anchor_keypoints,
        size=crop_size,
        boxes=all_box_options,
        code=fingerprint("lightning_pose.io.cropzoom_dir", *SETTINGS_CODE),
    shell:
        "litpose create_cropzoom {params.detector:q} {params.pose:q}"
        " --output_dir {params.folder:q}"
        " --crop_ratio {wildcards.ratio}"
        " --crop_size {params.size}"
        " --anchor_keypoints={params.anchors:q}"
        " {params.boxes:q}"
        " > {log:q} 2>&1"


rule predict_cropzoom_video:
    """Predict on all frames of a video: detector, boxes and pose model in one pass."""
    input:
        cropzoom="results/{dataset}/cropzoom_{seed}_{ratio}/cropzoom.json",
        detector="results/{dataset}/single_{seed}/model.safetensors",
        pose="results/{dataset}/pose_{seed}_{ratio}/model.safetensors",
        video=named_video,
    output:
        predictions="results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/predictions.csv",
        bbox="results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/bbox.csv",
    log:
        "results/{dataset}/logs/predict_cropzoom_video.{seed}_{ratio}.{video}.log",
    benchmark:
        "results/{dataset}/benchmarks/predict_cropzoom_video.{seed}_{ratio}.{video}.tsv"
    wildcard_constraints:
        dataset=one_of(set(DATASETS) - SHARDED),
    conda:
        "../../envs/environment.yaml"
    threads: share_of(TRAINING_CORES)
    resources:
        mem_mb=cropzoom_mb,
        runtime=cropzoom_minutes,
    params:
        model=subpath(input.cropzoom, parent=True),
        runtime=runtime,
        code=CROPZOOM_CODE,
    shell:
        "litpose predict {params.model:q} {input.video:q}"
        " --runtime {params.runtime:q}"
        " --output {output.predictions:q}"
        " --output_bbox {output.bbox:q}"
        " > {log:q} 2>&1"


rule measure_video:
    """Measure motion and confidence of a video's predictions, and PCA errors where the settings name columns."""
    input:
        cropzoom="results/{dataset}/cropzoom_{seed}_{ratio}/cropzoom.json",
        pose_splits="results/{dataset}/pose_{seed}_{ratio}/splits.json",
        predictions="results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/predictions.csv",
    output:
        temporal_norm="results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/predictions_temporal_norm.csv",
        summary="results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/predictions_metrics.csv",
    log:
        "results/{dataset}/logs/measure_video.{seed}_{ratio}.{video}.log",
    benchmark:
        "results/{dataset}/benchmarks/measure_video.{seed}_{ratio}.{video}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(1)
    resources:
        mem_mb=table_mb,
        runtime=table_minutes,
    params:
        model=subpath(input.cropzoom, parent=True),
        columns=pca_options,
        code=fingerprint("lightning_pose.cli.video_metrics", *SETTINGS_CODE),
    shell:
        "litpose video_metrics {input.predictions:q}"
        " --model_dir {params.model:q}"
        " {params.columns:q}"
        " > {log:q} 2>&1"
