"""One measurement of a Python peer: peer.py <format> <file> <columns|channel|parquet> <folder> <seconds> [channel]

Prints JSON as measurement.ts describes it. Messages are read one by one, so those readers stop after <seconds> and
say what share of the file they got through. Each peer is used as its own documentation shows.
"""
import importlib
import json
import os
import resource
import sys
import time


def mdf4(path, mode, folder, deadline, channel):
    from asammdf import MDF

    rows = values = 0
    with MDF(path) as mdf:
        if mode == "channel":
            count = len(mdf.get(channel))
            return count, count, 1
        for number, group in enumerate(mdf.groups):
            if mode == "parquet":
                frame = mdf.get_group(number)
                write_frame(frame, folder, number)
                rows, values = rows + len(frame), values + frame.size
                continue
            wanted = [(None, number, channel) for channel in range(1, len(group.channels))]
            if not wanted:
                continue
            signals = mdf.select(wanted)
            rows += len(signals[0])
            values += sum(len(signal) for signal in signals)
    return rows, values, 1


def tdms(path, mode, folder, deadline, channel):
    from nptdms import TdmsFile

    rows = values = 0
    if mode == "channel":
        with TdmsFile.open(path) as file:
            count = len(file.groups()[0][channel][:])
        return count, count, 1
    file = TdmsFile.read(path)
    for number, group in enumerate(file.groups()):
        if mode == "parquet":
            frame = group.as_dataframe(time_index=True, absolute_time=True)
            write_frame(frame, folder, number)
            rows, values = rows + len(frame), values + frame.size
            continue
        columns = [channel[:] for channel in group.channels()]
        rows += len(columns[0])
        values += sum(len(column) for column in columns)
    return rows, values, 1


# The codec and level that this project's writer uses.
CODEC = {"compression": "zstd", "compression_level": 3}


def write_frame(frame, folder, number):
    frame.to_parquet(os.path.join(folder, f"peer-{number}.parquet"), **CODEC)


IMU_VECTORS = ("orientation", "angular_velocity", "linear_acceleration")
IMU_LISTS = tuple(f"{name}_covariance" for name in IMU_VECTORS)


class ImuColumns:
    """Columns of sensor_msgs/Imu, filled message by message; written every 100,000."""

    def __init__(self, path):
        import pyarrow

        self.arrow, self.path = pyarrow, path
        self.columns, self.writer = {}, None

    def add(self, time_ns, message):
        add = self._add
        add("time", time_ns)
        add("header.frame_id", message.header.frame_id)
        for name in IMU_VECTORS:
            vector = getattr(message, name)
            for axis in "wxyz" if name == "orientation" else "xyz":
                add(f"{name}.{axis}", getattr(vector, axis))
        for name in IMU_LISTS:
            add(name, list(getattr(message, name)))
        if len(self.columns["time"]) == 100_000:
            self.flush()

    def _add(self, name, value):
        self.columns.setdefault(name, []).append(value)

    def flush(self):
        import pyarrow.parquet

        if not self.columns or not self.columns["time"]:
            return
        table = self.arrow.table(self.columns)
        if self.writer is None:
            self.writer = pyarrow.parquet.ParquetWriter(self.path, table.schema, **CODEC)
        self.writer.write_table(table)
        self.columns = {name: [] for name in self.columns}

    def close(self):
        self.flush()
        if self.writer is not None:
            self.writer.close()


def messages(stream, count, mode, folder, deadline):
    columns = ImuColumns(os.path.join(folder, "peer.parquet"))
    rows = 0
    for time_ns, message in stream:
        rows += 1
        if mode == "parquet":
            columns.add(time_ns, message)
        if rows % 1000 == 0 and time.perf_counter() > deadline:
            break
    columns.close()
    return rows, rows * 42, rows / count


def rosbag(path, mode, folder, deadline, _channel):
    from rosbags.rosbag1 import Reader
    from rosbags.typesys import Stores, get_typestore

    types = get_typestore(Stores.ROS1_NOETIC)
    with Reader(path) as reader:
        stream = ((t, types.deserialize_ros1(data, c.msgtype)) for c, t, data in reader.messages())
        return messages(stream, reader.message_count, mode, folder, deadline)


def rosbag2(path, mode, folder, deadline, _channel):
    from rosbags.rosbag2 import Reader
    from rosbags.typesys import Stores, get_typestore

    types = get_typestore(Stores.ROS2_HUMBLE)
    with Reader(os.path.dirname(path)) as reader:
        stream = ((t, types.deserialize_cdr(data, c.msgtype)) for c, t, data in reader.messages())
        return messages(stream, reader.message_count, mode, folder, deadline)


def mcap(path, mode, folder, deadline, _channel):
    from mcap.reader import make_reader
    from mcap_ros2.decoder import DecoderFactory

    with open(path, "rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        count = reader.get_summary().statistics.message_count
        stream = ((m.log_time, ros) for _, _, m, ros in reader.iter_decoded_messages())
        return messages(stream, count, mode, folder, deadline)


MODULES = {
    "mdf4": ["asammdf"],
    "tdms": ["nptdms"],
    "rosbag": ["rosbags.rosbag1", "rosbags.typesys", "pyarrow.parquet"],
    "rosbag2": ["rosbags.rosbag2", "rosbags.typesys", "pyarrow.parquet"],
    "mcap": ["mcap.reader", "mcap_ros2.decoder", "pyarrow.parquet"],
}


def peak_rss_bytes():
    """Of this process alone; getrusage counts the parent's memory at the fork as well."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024


def main():
    name, path, mode, folder, seconds, *channel = sys.argv[1:]
    # Loading the libraries is not measured, on neither side.
    for module in MODULES[name]:
        importlib.import_module(module)
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    rows, values, share = globals()[name](path, mode, folder, started + float(seconds), *(channel or [None]))
    elapsed = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({
        "seconds": elapsed,
        "cpuSeconds": usage.ru_utime + usage.ru_stime - before.ru_utime - before.ru_stime,
        "rows": rows,
        "values": values,
        "share": share,
        "peakRssBytes": peak_rss_bytes(),
    }))


main()
