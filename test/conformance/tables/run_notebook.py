"""Runs the code cells of a notebook and prints what each of them shows: python run_notebook.py <notebook>.

A notebook for Spark gets a session on this machine, with Delta Lake from Maven; that needs pyspark 3.5 and Java 17.
"""

import ast
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    notebook = json.load(file)

names: dict[str, object] = {}
if "pyspark" in notebook["metadata"]["kernelspec"]["name"]:
    from pyspark.sql import SparkSession

    names["spark"] = (
        SparkSession.builder.master("local[1]")
        .config("spark.jars.packages", "io.delta:delta-spark_2.12:3.2.1")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.databricks.delta.snapshotPartitions", "1")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )

for cell in notebook["cells"]:
    if cell["cell_type"] != "code":
        continue
    module = ast.parse("".join(cell["source"]))
    last = module.body[-1] if isinstance(module.body[-1], ast.Expr) else None
    if last is not None:
        module.body.pop()
    exec(compile(module, sys.argv[1], "exec"), names)
    if last is not None:
        shown = eval(compile(ast.Expression(last.value), sys.argv[1], "eval"), names)
        print(shown.to_string() if hasattr(shown, "to_string") else shown)
