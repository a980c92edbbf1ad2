# Predictions on labelled frames.


rule predict_detector:
    """Predict on whole frames."""
    input:
        weights="results/{dataset}/single{variant}_{seed}/model.safetensors",
        splits="results/{dataset}/single{variant}_{seed}/splits.json",
        index="results/{dataset}/data/{csv}/images.json",
        labels=labels_csv,
    output:
        predictions="results/{dataset}/single{variant}_{seed}/image_preds/{csv}/predictions.csv",
    log:
        "results/{dataset}/logs/predict_detector.single{variant}_{seed}.{csv}.log",
    benchmark:
        "results/{dataset}/benchmarks/predict_detector.single{variant}_{seed}.{csv}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(TRAINING_CORES)
    resources:
        mem_mb=detector_prediction_mb,
        runtime=detector_prediction_minutes,
    params:
        model=subpath(input.weights, parent=True),
        data_dir=data_dir,
        runtime=runtime,
        code=PREDICT_CODE,
    shell:
        "litpose predict {params.model:q} {input.labels:q}"
        " --runtime {params.runtime:q}"
        " --data_dir {params.data_dir:q}"
        " --output {output.predictions:q}"
        " > {log:q} 2>&1"


rule predict_pose:
    """Predict on crops."""
    input:
        weights="results/{dataset}/pose{variant}_{seed}_{ratio}/model.safetensors",
        splits="results/{dataset}/pose{variant}_{seed}_{ratio}/splits.json",
        labels="results/{dataset}/crop_{seed}_{ratio}/{csv}/cropped_{csv}",
        manifest="results/{dataset}/crop_{seed}_{ratio}/{csv}/crops.json",
    output:
        predictions="results/{dataset}/pose{variant}_{seed}_{ratio}/image_preds/cropped_{csv}/predictions.csv",
    log:
        "results/{dataset}/logs/predict_pose.pose{variant}_{seed}_{ratio}.{csv}.log",
    benchmark:
        "results/{dataset}/benchmarks/predict_pose.pose{variant}_{seed}_{ratio}.{csv}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(TRAINING_CORES)
    resources:
        mem_mb=pose_prediction_mb,
        runtime=pose_prediction_minutes,
    params:
        model=subpath(input.weights, parent=True),
        data_dir="results/{dataset}/crop_{seed}_{ratio}/cropped_images",
        runtime=runtime,
        code=PREDICT_CODE,
    shell:
        "litpose predict {params.model:q} {input.labels:q}"
        " --runtime {params.runtime:q}"
        " --data_dir {params.data_dir:q}"
        " --output {output.predictions:q}"
        " > {log:q} 2>&1"


rule remap:
    """Map a pose model's predictions back to frame pixels."""
    input:
        predictions="results/{dataset}/pose{variant}_{seed}_{ratio}/image_preds/cropped_{csv}/predictions.csv",
        bbox="results/{dataset}/crop_{seed}_{ratio}/{csv}/bbox.csv",
        manifest="results/{dataset}/crop_{seed}_{ratio}/{csv}/crops.json",
    output:
        predictions="results/{dataset}/pose{variant}_{seed}_{ratio}/image_preds/cropped_{csv}/remapped_predictions.csv",
    log:
        "results/{dataset}/logs/remap.pose{variant}_{seed}_{ratio}.{csv}.log",
    benchmark:
        "results/{dataset}/benchmarks/remap.pose{variant}_{seed}_{ratio}.{csv}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(1)
    resources:
        mem_mb=table_mb,
        runtime=table_minutes,
    params:
        code=fingerprint("lightning_pose.cli.remap"),
    shell:
        "litpose remap {input.predictions:q} {input.bbox:q}"
        " --output {output.predictions:q}"
        " > {log:q} 2>&1"
