import { SensorKind } from './vocabulary.ts';

/** What a topic carries, told from the type its recorder declares; the vehicle's topic map has the last word. */

const BY_TYPE = new Map<string, SensorKind>(
  Object.entries({
    'sensor_msgs/Image': 'camera',
    'sensor_msgs/CompressedImage': 'camera',
    'sensor_msgs/CameraInfo': 'camera',
    'theora_image_transport/Packet': 'camera',
    'foxglove_msgs/CompressedVideo': 'camera',
    'foxglove.RawImage': 'camera',
    'foxglove.CompressedImage': 'camera',
    'foxglove.CompressedVideo': 'camera',
    'foxglove.CameraCalibration': 'camera',
    'ffmpeg_image_transport_msgs/FFMPEGPacket': 'camera',
    'sensor_msgs/PointCloud': 'lidar',
    'sensor_msgs/PointCloud2': 'lidar',
    'sensor_msgs/LaserScan': 'lidar',
    'sensor_msgs/MultiEchoLaserScan': 'lidar',
    'velodyne_msgs/VelodyneScan': 'lidar',
    'velodyne_msgs/VelodynePacket': 'lidar',
    'ouster_ros/PacketMsg': 'lidar',
    'ouster_sensor_msgs/PacketMsg': 'lidar',
    'foxglove.PointCloud': 'lidar',
    'foxglove.LaserScan': 'lidar',
    'can_msgs/Frame': 'can',
    CAN_DataFrame: 'can',
    CAN_RemoteFrame: 'can',
    CAN_ErrorFrame: 'can',
    'sensor_msgs/NavSatFix': 'gnss',
    'sensor_msgs/TimeReference': 'gnss',
    'foxglove.LocationFix': 'gnss',
    'gps_common/GPSFix': 'gnss',
    'sensor_msgs/Imu': 'imu',
    'sensor_msgs/MagneticField': 'imu',
  } as const),
);

const BY_PACKAGE = new Map<string, SensorKind>(
  Object.entries({
    can_msgs: 'can',
    autoware_can_msgs: 'can',
    radar_msgs: 'radar',
    ublox_msgs: 'gnss',
    nmea_msgs: 'gnss',
    novatel_msgs: 'gnss',
  } as const),
);

/** `sensor_msgs/msg/Imu` (ROS 2) and `sensor_msgs/Imu` (ROS 1) are the same type. */
export function typeNameOf(schemaName: string): string {
  return schemaName.replace('/msg/', '/');
}

/** Words in the name of a channel group that says no type, as those of MDF and TDMS do not. */
const BY_WORD = new Map<string, SensorKind>(
  Object.entries({
    imu: 'imu',
    accelerometer: 'imu',
    gyroscope: 'imu',
    gyro: 'imu',
    magnetometer: 'imu',
    gnss: 'gnss',
    gps: 'gnss',
  } as const),
);

/** `GyroscopeUncalibrated` and `rear_gyroscope 2` are gyroscopes. */
function kindByName(name: string): SensorKind | undefined {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/);
  const known = words.find((word) => BY_WORD.has(word));
  return known === undefined ? undefined : BY_WORD.get(known);
}

/** The kind of sensor behind a topic or channel group; `structured` when nothing tells. */
export function sensorKindOf(
  topic: { readonly name: string; readonly schemaName: string },
  topicMap: Readonly<Record<string, string>> = {},
): SensorKind {
  const mapped = SensorKind.safeParse(topicMap[topic.name]);
  if (mapped.success) return mapped.data;
  const typeName = typeNameOf(topic.schemaName);
  if (typeName === '') return kindByName(topic.name) ?? 'structured';
  return BY_TYPE.get(typeName) ?? BY_PACKAGE.get(typeName.split('/')[0] ?? '') ?? 'structured';
}
