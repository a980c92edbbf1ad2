# The data folder, and one small file that stands for all its images.


checkpoint prepare_data:
    """Draw the demo data, or convert another tool's project."""
    input:
        project=project_files,
    output:
        done="results/{dataset}/data/prepared.txt",
    log:
        "results/{dataset}/logs/prepare_data.log",
    benchmark:
        "results/{dataset}/benchmarks/prepare_data.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: CORES
    resources:
        mem_mb=4 * STEP_MB,
        runtime=data_minutes,
    params:
        command=prepare_command,
        generation=data_generation,
        code=prepare_code,
    shell:
        "{params.command:q} > {log:q} 2>&1"
        " && echo {params.generation} > {output.done:q}"


rule index_images:
    """Write the checksums of all labelled images."""
    input:
        images=images_of,
        labels=labels_csv,
    output:
        index="results/{dataset}/data/{csv}/images.json",
    log:
        "results/{dataset}/logs/index_images.{csv}.log",
    benchmark:
        "results/{dataset}/benchmarks/index_images.{csv}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(1)
    resources:
        mem_mb=STEP_MB,
        runtime=indexing_minutes,
    params:
        data_dir=data_dir,
        code=fingerprint("lightning_pose.cli.index_images"),
    shell:
        "litpose index_images"
        " --labels {input.labels:q}"
        " --data_dir {params.data_dir:q}"
        " --output {output.index:q}"
        " > {log:q} 2>&1"
