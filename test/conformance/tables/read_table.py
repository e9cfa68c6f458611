"""Says as JSON what delta-rs, pandas and pyarrow see of a Delta table: python read_table.py <table folder>."""

import json
import sys

from deltalake import DeltaTable

table = DeltaTable(sys.argv[1])
rows = table.to_pandas()
print(
    json.dumps(
        {
            "version": table.version(),
            "name": table.metadata().name,
            "partitionColumns": table.metadata().partition_columns,
            "types": {field.name: str(field.type) for field in table.to_pyarrow_table().schema},
            "dtypes": {name: str(dtype) for name, dtype in rows.dtypes.items()},
            "fileCount": len(table.file_uris()),
            "rows": json.loads(rows.to_json(orient="records", date_format="iso", date_unit="us")),
        }
    )
)
