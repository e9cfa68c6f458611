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

/** What the vehicle did, derived once from the best source and named in the column's `source`. */
export const VEHICLE_SPEED = 'vehicle.speed';
export const VEHICLE_ACCELERATION = 'vehicle.acceleration';
export const VEHICLE_YAW_RATE = 'vehicle.yaw_rate';
export const LATITUDE = 'gnss.latitude';
export const LONGITUDE = 'gnss.longitude';
