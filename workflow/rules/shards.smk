# Long videos over several jobs: stretches of `workflow.shard_frames` frames, and what joins them.


rule predict_cropzoom_shard:
    """Predict on a stretch of a video, exactly as a run over all of it does."""
    input:
        cropzoom="results/{dataset}/cropzoom_{seed}_{ratio}/cropzoom.json",
        detector="results/{dataset}/single_{seed}/model.safetensors",
        pose="results/{dataset}/pose_{seed}_{ratio}/model.safetensors",
        video=named_video,
    output:
        predictions=temp(
            "results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/predictions_{start}-{stop}.csv"
        ),
        bbox=temp(
            "results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/bbox_{start}-{stop}.csv"
        ),
    log:
        "results/{dataset}/logs/predict_cropzoom_shard.{seed}_{ratio}.{video}.{start}-{stop}.log",
    benchmark:
        "results/{dataset}/benchmarks/predict_cropzoom_shard.{seed}_{ratio}.{video}.{start}-{stop}.tsv"
    wildcard_constraints:
        start=r"\d+",
        stop=r"\d*",
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
        " --frames {wildcards.start}:{wildcards.stop}"
        " --output {output.predictions:q}"
        " --output_bbox {output.bbox:q}"
        " > {log:q} 2>&1"


rule merge_shards:
    """Join what was found in the stretches of a video."""
    input:
        predictions=lambda w: shards(w, "predictions"),
        bbox=lambda w: shards(w, "bbox"),
        video=named_video,
    output:
        predictions="results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/predictions.csv",
        bbox="results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/bbox.csv",
    log:
        "results/{dataset}/logs/merge_shards.{seed}_{ratio}.{video}.log",
    benchmark:
        "results/{dataset}/benchmarks/merge_shards.{seed}_{ratio}.{video}.tsv"
    wildcard_constraints:
        dataset=one_of(SHARDED),
    conda:
        "../../envs/environment.yaml"
    threads: share_of(1)
    resources:
        mem_mb=table_mb,
        runtime=table_minutes,
    params:
        code=fingerprint("lightning_pose.cli.merge", *SETTINGS_CODE),
    shell:
        "(litpose merge {input.predictions:q} --video {input.video:q} --output {output.predictions:q} &&"
        " litpose merge {input.bbox:q} --video {input.video:q} --output {output.bbox:q})"
        " > {log:q} 2>&1"
