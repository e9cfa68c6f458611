/** Columns that several stages agree on. Units are in the names' schema, not in the names. */

/** The first column of every table: the recorder's time of the row (ROS receive time, MDF master, TDMS time). */
export const TIME_COLUMN = {
  name: 'timestamp',
  type: 'timestamp',
  description: 'time of the row by the recorder, UTC',
} as const;

/** Role of a frame index table in a result manifest. */
export const FRAME_INDEX_ROLE = 'frames';

/** One row per frame; the frame is `shard[byte_offset … byte_offset + size_bytes)`, a file any program opens. */
export const FRAME_INDEX_COLUMNS = [
  TIME_COLUMN,
  { name: 'frame_number', type: 'int64', description: 'counts from 0 in the topic' },
  { name: 'shard', type: 'string', description: 'name of the tar file, in the folder of this table' },
  { name: 'byte_offset', type: 'int64', unit: 'B', description: 'of the frame in the shard' },
  { name: 'size_bytes', type: 'int64', unit: 'B' },
  { name: 'media_type', type: 'string', description: 'image/jpeg, image/png' },
  { name: 'width_pixels', type: 'int32', description: '0 when the frame does not say' },
  { name: 'height_pixels', type: 'int32', description: '0 when the frame does not say' },
] as const;

/** Role of the index of an elementary video stream. */
export const VIDEO_INDEX_ROLE = 'video';

/** One row per frame in the order of the stream; its bytes are `file[byte_offset … byte_offset + size_bytes)`. */
export const VIDEO_INDEX_COLUMNS = [
  TIME_COLUMN,
  { name: 'frame_number', type: 'int64', description: 'counts from 0 in the topic' },
  { name: 'file', type: 'string', description: 'the elementary stream, in the folder of this table' },
  { name: 'byte_offset', type: 'int64', unit: 'B' },
  { name: 'size_bytes', type: 'int64', unit: 'B' },
  { name: 'is_key_frame', type: 'bool', description: 'decoding can begin here' },
] as const;

/** Role of the index of scans in PCD files. */
export const SCAN_INDEX_ROLE = 'scans';

/** One row per scan; `shard[byte_offset … byte_offset + size_bytes)` is a PCD file. */
export const SCAN_INDEX_COLUMNS = [
  TIME_COLUMN,
  { name: 'scan_number', type: 'int64', description: 'counts from 0 in the topic' },
  { name: 'shard', type: 'string', description: 'name of the tar file, in the folder of this table' },
  { name: 'byte_offset', type: 'int64', unit: 'B', description: 'of the scan in the shard' },
  { name: 'size_bytes', type: 'int64', unit: 'B' },
  { name: 'point_count', type: 'int64' },
] as const;

/** What the vehicle did, derived once from the best source and named in the column's `source`. */
export const VEHICLE_SPEED = 'vehicle.speed';
export const VEHICLE_ACCELERATION = 'vehicle.acceleration';
export const VEHICLE_YAW_RATE = 'vehicle.yaw_rate';
export const LATITUDE = 'gnss.latitude';
export const LONGITUDE = 'gnss.longitude';
