import { MessageDefinitionError } from './message-type.ts';

/**
 * The common ROS 1 messages, without their comments, for those who write bags. Sources: std_msgs, geometry_msgs
 * (github.com/ros/common_msgs), nav_msgs, tf2_msgs, can_msgs; the MD5 sums in the tests are theirs.
 */
const OWN_TEXT: Readonly<Record<string, string>> = {
  'std_msgs/Header': 'uint32 seq\ntime stamp\nstring frame_id',
  'std_msgs/String': 'string data',
  'geometry_msgs/Point32': 'float32 x\nfloat32 y\nfloat32 z',
  'geometry_msgs/Point': 'float64 x\nfloat64 y\nfloat64 z',
  'geometry_msgs/Vector3': 'float64 x\nfloat64 y\nfloat64 z',
  'geometry_msgs/Quaternion': 'float64 x\nfloat64 y\nfloat64 z\nfloat64 w',
  'geometry_msgs/Pose': 'Point position\nQuaternion orientation',
  'geometry_msgs/PoseWithCovariance': 'Pose pose\nfloat64[36] covariance',
  'geometry_msgs/Twist': 'Vector3 linear\nVector3 angular',
  'geometry_msgs/TwistWithCovariance': 'Twist twist\nfloat64[36] covariance',
  'geometry_msgs/TwistStamped': 'Header header\nTwist twist',
  'geometry_msgs/Transform': 'Vector3 translation\nQuaternion rotation',
  'geometry_msgs/TransformStamped': 'Header header\nstring child_frame_id\nTransform transform',
  'nav_msgs/Odometry': `Header header
string child_frame_id
geometry_msgs/PoseWithCovariance pose
geometry_msgs/TwistWithCovariance twist`,
  'tf2_msgs/TFMessage': 'geometry_msgs/TransformStamped[] transforms',
  'sensor_msgs/Image': `Header header
uint32 height
uint32 width
string encoding
uint8 is_bigendian
uint32 step
uint8[] data`,
  'sensor_msgs/CompressedImage': 'Header header\nstring format\nuint8[] data',
  'sensor_msgs/RegionOfInterest': `uint32 x_offset
uint32 y_offset
uint32 height
uint32 width
bool do_rectify`,
  'sensor_msgs/CameraInfo': `Header header
uint32 height
uint32 width
string distortion_model
float64[] D
float64[9] K
float64[9] R
float64[12] P
uint32 binning_x
uint32 binning_y
RegionOfInterest roi`,
  'sensor_msgs/PointField': `uint8 INT8=1
uint8 UINT8=2
uint8 INT16=3
uint8 UINT16=4
uint8 INT32=5
uint8 UINT32=6
uint8 FLOAT32=7
uint8 FLOAT64=8
string name
uint32 offset
uint8 datatype
uint32 count`,
  'sensor_msgs/ChannelFloat32': 'string name\nfloat32[] values',
  'sensor_msgs/PointCloud': 'Header header\ngeometry_msgs/Point32[] points\nChannelFloat32[] channels',
  'sensor_msgs/LaserEcho': 'float32[] echoes',
  'sensor_msgs/MultiEchoLaserScan': `Header header
float32 angle_min
float32 angle_max
float32 angle_increment
float32 time_increment
float32 scan_time
float32 range_min
float32 range_max
LaserEcho[] ranges
LaserEcho[] intensities`,
  'sensor_msgs/PointCloud2': `Header header
uint32 height
uint32 width
PointField[] fields
bool is_bigendian
uint32 point_step
uint32 row_step
uint8[] data
bool is_dense`,
  'sensor_msgs/NavSatStatus': `int8 STATUS_NO_FIX=-1
int8 STATUS_FIX=0
int8 STATUS_SBAS_FIX=1
int8 STATUS_GBAS_FIX=2
int8 status
uint16 SERVICE_GPS=1
uint16 SERVICE_GLONASS=2
uint16 SERVICE_COMPASS=4
uint16 SERVICE_GALILEO=8
uint16 service`,
  'sensor_msgs/NavSatFix': `Header header
NavSatStatus status
float64 latitude
float64 longitude
float64 altitude
float64[9] position_covariance
uint8 COVARIANCE_TYPE_UNKNOWN=0
uint8 COVARIANCE_TYPE_APPROXIMATED=1
uint8 COVARIANCE_TYPE_DIAGONAL_KNOWN=2
uint8 COVARIANCE_TYPE_KNOWN=3
uint8 position_covariance_type`,
  'sensor_msgs/Imu': `Header header
geometry_msgs/Quaternion orientation
float64[9] orientation_covariance
geometry_msgs/Vector3 angular_velocity
float64[9] angular_velocity_covariance
geometry_msgs/Vector3 linear_acceleration
float64[9] linear_acceleration_covariance`,
  'sensor_msgs/MagneticField': `Header header
geometry_msgs/Vector3 magnetic_field
float64[9] magnetic_field_covariance`,
  'sensor_msgs/TimeReference': 'Header header\ntime time_ref\nstring source',
  'sensor_msgs/LaserScan': `Header header
float32 angle_min
float32 angle_max
float32 angle_increment
float32 time_increment
float32 scan_time
float32 range_min
float32 range_max
float32[] ranges
float32[] intensities`,
  'can_msgs/Frame': `Header header
uint32 id
bool is_rtr
bool is_extended
bool is_error
uint8 dlc
uint8[8] data`,
};

const RULE = '='.repeat(80);

/**
 * The definition of a common message as a bag's connection holds it, with all types it uses.
 * @throws {MessageDefinitionError} for a type that is not among them.
 */
export function standardRos1Definition(typeName: string): string {
  const used = new Set<string>();
  collect(typeName, used);
  used.delete(typeName);
  const parts = [...used].map((name) => `${RULE}\nMSG: ${name}\n${OWN_TEXT[name]}\n`);
  return [`${OWN_TEXT[typeName]}\n`, ...parts].join('');
}

function collect(typeName: string, used: Set<string>): void {
  const own = OWN_TEXT[typeName];
  if (own === undefined) throw new MessageDefinitionError(`${typeName} is not among the common messages`);
  used.add(typeName);
  for (const line of own.split('\n')) {
    const type = (line.split(' ')[0] ?? '').replace(/\[.*$/, '');
    const name = type === 'Header' ? 'std_msgs/Header' : type;
    const full = name.includes('/') ? name : `${typeName.split('/')[0]}/${name}`;
    if (OWN_TEXT[full] !== undefined && !used.has(full)) collect(full, used);
  }
}
