# One page about a data set's results:  snakemake --cores 8 results/<dataset>/report.html


rule write_report:
    """Write one page: what was trained on what, errors, curves, crops, timings, figures."""
    input:
        errors=plot_errors,
        external_errors=external_errors,
        configs=member_configs,
        crops=member_crop_tables,
        pdf="results/{dataset}/ood_plots.pdf",
        metrics="results/{dataset}/ood_metrics.csv",
        figures=expand(
            "results/{{dataset}}/figures/{page}.{suffix}",
            page=OOD_PAGES,
            suffix=("png", "pdf", "csv"),
        ),
        table="results/{dataset}/sweep_table.csv",
    output:
        page=report(
            "results/{dataset}/report.html",
            caption="../report/summary.rst",
            category="{dataset}",
        ),
    log:
        "results/{dataset}/logs/write_report.log",
    benchmark:
        "results/{dataset}/benchmarks/write_report.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(1)
    resources:
        mem_mb=table_mb,
        runtime=table_minutes,
    params:
        folder=subpath(output.page, parent=True),
        config="config/{dataset}.yaml",
        declared=lambda w: repr(settings(w.dataset).workflow),
        code=REPORT_CODE,
    shell:
        "litpose report {params.folder:q}"
        " --config {params.config:q}"
        " --title {wildcards.dataset:q}"
        " --output {output.page:q}"
        " > {log:q} 2>&1"
