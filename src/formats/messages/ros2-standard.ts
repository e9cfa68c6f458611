import { MessageDefinitionError } from './message-type.ts';

/**
 * The common ROS 2 messages, for recordings that do not hold their definitions: rosbag2 stores them since ROS 2
 * Iron only. Sources: github.com/ros2/common_interfaces, ros2/rcl_interfaces, ros2/geometry2, ros-industrial/
 * ros2_canopen (can_msgs), without constants and comments.
 */
const OWN_TEXT: Readonly<Record<string, string>> = {
  'std_msgs/Header': 'builtin_interfaces/Time stamp\nstring frame_id',
  'std_msgs/Empty': 'uint8 structure_needs_at_least_one_member',
  'std_msgs/Bool': 'bool data',
  'std_msgs/Int32': 'int32 data',
  'std_msgs/Int64': 'int64 data',
  'std_msgs/UInt8': 'uint8 data',
  'std_msgs/UInt32': 'uint32 data',
  'std_msgs/Float32': 'float32 data',
  'std_msgs/Float64': 'float64 data',
  'std_msgs/String': 'string data',
  'std_msgs/ColorRGBA': 'float32 r\nfloat32 g\nfloat32 b\nfloat32 a',
  'std_msgs/MultiArrayDimension': 'string label\nuint32 size\nuint32 stride',
  'std_msgs/MultiArrayLayout': 'MultiArrayDimension[] dim\nuint32 data_offset',
  'std_msgs/Float32MultiArray': 'MultiArrayLayout layout\nfloat32[] data',
  'std_msgs/Float64MultiArray': 'MultiArrayLayout layout\nfloat64[] data',
  'rosgraph_msgs/Clock': 'builtin_interfaces/Time clock',
  'geometry_msgs/Point': 'float64 x\nfloat64 y\nfloat64 z',
  'geometry_msgs/Point32': 'float32 x\nfloat32 y\nfloat32 z',
  'geometry_msgs/Vector3': 'float64 x\nfloat64 y\nfloat64 z',
  'geometry_msgs/Quaternion': 'float64 x\nfloat64 y\nfloat64 z\nfloat64 w',
  'geometry_msgs/Pose': 'Point position\nQuaternion orientation',
  'geometry_msgs/PoseStamped': 'std_msgs/Header header\nPose pose',
  'geometry_msgs/PoseWithCovariance': 'Pose pose\nfloat64[36] covariance',
  'geometry_msgs/PoseWithCovarianceStamped': 'std_msgs/Header header\nPoseWithCovariance pose',
  'geometry_msgs/PoseArray': 'std_msgs/Header header\nPose[] poses',
  'geometry_msgs/PointStamped': 'std_msgs/Header header\nPoint point',
  'geometry_msgs/Polygon': 'Point32[] points',
  'geometry_msgs/PolygonStamped': 'std_msgs/Header header\nPolygon polygon',
  'geometry_msgs/QuaternionStamped': 'std_msgs/Header header\nQuaternion quaternion',
  'geometry_msgs/Vector3Stamped': 'std_msgs/Header header\nVector3 vector',
  'geometry_msgs/Twist': 'Vector3 linear\nVector3 angular',
  'geometry_msgs/TwistStamped': 'std_msgs/Header header\nTwist twist',
  'geometry_msgs/TwistWithCovariance': 'Twist twist\nfloat64[36] covariance',
  'geometry_msgs/TwistWithCovarianceStamped': 'std_msgs/Header header\nTwistWithCovariance twist',
  'geometry_msgs/Accel': 'Vector3 linear\nVector3 angular',
  'geometry_msgs/AccelStamped': 'std_msgs/Header header\nAccel accel',
  'geometry_msgs/AccelWithCovariance': 'Accel accel\nfloat64[36] covariance',
  'geometry_msgs/AccelWithCovarianceStamped': 'std_msgs/Header header\nAccelWithCovariance accel',
  'geometry_msgs/Wrench': 'Vector3 force\nVector3 torque',
  'geometry_msgs/WrenchStamped': 'std_msgs/Header header\nWrench wrench',
  'geometry_msgs/Transform': 'Vector3 translation\nQuaternion rotation',
  'geometry_msgs/TransformStamped': 'std_msgs/Header header\nstring child_frame_id\nTransform transform',
  'tf2_msgs/TFMessage': 'geometry_msgs/TransformStamped[] transforms',
  'nav_msgs/Odometry': `std_msgs/Header header
string child_frame_id
geometry_msgs/PoseWithCovariance pose
geometry_msgs/TwistWithCovariance twist`,
  'nav_msgs/Path': 'std_msgs/Header header\ngeometry_msgs/PoseStamped[] poses',
  'nav_msgs/MapMetaData': `builtin_interfaces/Time map_load_time
float32 resolution
uint32 width
uint32 height
geometry_msgs/Pose origin`,
  'nav_msgs/OccupancyGrid': 'std_msgs/Header header\nMapMetaData info\nint8[] data',
  'sensor_msgs/Image': `std_msgs/Header header
uint32 height
uint32 width
string encoding
uint8 is_bigendian
uint32 step
uint8[] data`,
  'sensor_msgs/CompressedImage': 'std_msgs/Header header\nstring format\nuint8[] data',
  'sensor_msgs/RegionOfInterest': `uint32 x_offset
uint32 y_offset
uint32 height
uint32 width
bool do_rectify`,
  'sensor_msgs/CameraInfo': `std_msgs/Header header
uint32 height
uint32 width
string distortion_model
float64[] d
float64[9] k
float64[9] r
float64[12] p
uint32 binning_x
uint32 binning_y
RegionOfInterest roi`,
  'sensor_msgs/PointField': 'string name\nuint32 offset\nuint8 datatype\nuint32 count',
  'sensor_msgs/ChannelFloat32': 'string name\nfloat32[] values',
  'sensor_msgs/PointCloud':
    'std_msgs/Header header\ngeometry_msgs/Point32[] points\nChannelFloat32[] channels',
  'sensor_msgs/LaserEcho': 'float32[] echoes',
  'sensor_msgs/MultiEchoLaserScan': `std_msgs/Header header
float32 angle_min
float32 angle_max
float32 angle_increment
float32 time_increment
float32 scan_time
float32 range_min
float32 range_max
LaserEcho[] ranges
LaserEcho[] intensities`,
  'sensor_msgs/PointCloud2': `std_msgs/Header header
uint32 height
uint32 width
PointField[] fields
bool is_bigendian
uint32 point_step
uint32 row_step
uint8[] data
bool is_dense`,
  'sensor_msgs/LaserScan': `std_msgs/Header header
float32 angle_min
float32 angle_max
float32 angle_increment
float32 time_increment
float32 scan_time
float32 range_min
float32 range_max
float32[] ranges
float32[] intensities`,
  'sensor_msgs/NavSatStatus': 'int8 status\nuint16 service',
  'sensor_msgs/NavSatFix': `std_msgs/Header header
NavSatStatus status
float64 latitude
float64 longitude
float64 altitude
float64[9] position_covariance
uint8 position_covariance_type`,
  'sensor_msgs/Imu': `std_msgs/Header header
geometry_msgs/Quaternion orientation
float64[9] orientation_covariance
geometry_msgs/Vector3 angular_velocity
float64[9] angular_velocity_covariance
geometry_msgs/Vector3 linear_acceleration
float64[9] linear_acceleration_covariance`,
  'sensor_msgs/MagneticField': `std_msgs/Header header
geometry_msgs/Vector3 magnetic_field
float64[9] magnetic_field_covariance`,
  'sensor_msgs/FluidPressure': 'std_msgs/Header header\nfloat64 fluid_pressure\nfloat64 variance',
  'sensor_msgs/Temperature': 'std_msgs/Header header\nfloat64 temperature\nfloat64 variance',
  'sensor_msgs/RelativeHumidity': 'std_msgs/Header header\nfloat64 relative_humidity\nfloat64 variance',
  'sensor_msgs/Illuminance': 'std_msgs/Header header\nfloat64 illuminance\nfloat64 variance',
  'sensor_msgs/TimeReference': 'std_msgs/Header header\nbuiltin_interfaces/Time time_ref\nstring source',
  'sensor_msgs/JointState': `std_msgs/Header header
string[] name
float64[] position
float64[] velocity
float64[] effort`,
  'sensor_msgs/BatteryState': `std_msgs/Header header
float32 voltage
float32 temperature
float32 current
float32 charge
float32 capacity
float32 design_capacity
float32 percentage
uint8 power_supply_status
uint8 power_supply_health
uint8 power_supply_technology
bool present
float32[] cell_voltage
float32[] cell_temperature
string location
string serial_number`,
  'diagnostic_msgs/KeyValue': 'string key\nstring value',
  'diagnostic_msgs/DiagnosticStatus': `byte level
string name
string message
string hardware_id
KeyValue[] values`,
  'diagnostic_msgs/DiagnosticArray': 'std_msgs/Header header\nDiagnosticStatus[] status',
  'rcl_interfaces/Log': `builtin_interfaces/Time stamp
uint8 level
string name
string msg
string file
string function
uint32 line`,
  'rcl_interfaces/ParameterValue': `uint8 type
bool bool_value
int64 integer_value
float64 double_value
string string_value
byte[] byte_array_value
bool[] bool_array_value
int64[] integer_array_value
float64[] double_array_value
string[] string_array_value`,
  'rcl_interfaces/Parameter': 'string name\nParameterValue value',
  'rcl_interfaces/ParameterEvent': `builtin_interfaces/Time stamp
string node
Parameter[] new_parameters
Parameter[] changed_parameters
Parameter[] deleted_parameters`,
  'can_msgs/Frame': `std_msgs/Header header
uint32 id
bool is_rtr
bool is_extended
bool is_error
uint8 dlc
uint8[8] data`,
};

const RULE = '='.repeat(80);

/**
 * The definition of a common message with all types it uses, for `package/msg/Type` or `package/Type`.
 * @throws {MessageDefinitionError} for a type that is not among them.
 */
export function standardRos2Definition(typeName: string): string {
  const used = new Set<string>();
  const name = typeName.replace('/msg/', '/');
  collect(name, used);
  used.delete(name);
  const parts = [...used].map((other) => `${RULE}\nMSG: ${other}\n${OWN_TEXT[other]}\n`);
  return [`${OWN_TEXT[name]}\n`, ...parts].join('');
}

function collect(typeName: string, used: Set<string>): void {
  const own = OWN_TEXT[typeName];
  if (own === undefined) throw new MessageDefinitionError(`${typeName} is not among the common messages`);
  used.add(typeName);
  for (const line of own.split('\n')) {
    const type = (line.split(' ')[0] ?? '').replace(/\[.*$/, '');
    const full = type.includes('/') ? type : `${typeName.split('/')[0]}/${type}`;
    if (OWN_TEXT[full] !== undefined && !used.has(full)) collect(full, used);
  }
}
