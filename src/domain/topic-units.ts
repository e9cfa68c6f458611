/**
 * Units of fields of well-known message types. Messages carry numbers only; their units stand in the comments of
 * their definitions (github.com/ros/common_msgs, REP 103) and nowhere in a recording.
 */
const BY_TYPE = new Map<string, readonly (readonly [RegExp, string])[]>(
  Object.entries({
    'sensor_msgs/Imu': [
      [/^angular_velocity\.[xyz]$/, 'rad/s'],
      [/^linear_acceleration\.[xyz]$/, 'm/s²'],
    ],
    'sensor_msgs/NavSatFix': [
      [/^(latitude|longitude)$/, '°'],
      [/^altitude$/, 'm'],
      [/^position_covariance$/, 'm²'],
    ],
    'sensor_msgs/MagneticField': [[/^magnetic_field\.[xyz]$/, 'T']],
    'sensor_msgs/Temperature': [[/^temperature$/, '°C']],
    'sensor_msgs/FluidPressure': [[/^fluid_pressure$/, 'Pa']],
    'sensor_msgs/Range': [
      [/^(min_range|max_range|range)$/, 'm'],
      [/^field_of_view$/, 'rad'],
    ],
    'sensor_msgs/LaserScan': [
      [/^angle_(min|max|increment)$/, 'rad'],
      [/^(time_increment|scan_time)$/, 's'],
      [/^(range_min|range_max|ranges)$/, 'm'],
    ],
    'sensor_msgs/BatteryState': [
      [/^voltage$/, 'V'],
      [/^current$/, 'A'],
      [/^temperature$/, '°C'],
      [/^(charge|capacity|design_capacity)$/, 'Ah'],
    ],
    'sensor_msgs/Image': [[/^(height|width)$/, 'px']],
    'sensor_msgs/CameraInfo': [[/^(height|width)$/, 'px']],
  } as const),
);

/** Geometry is in metres, radians and seconds wherever it is embedded (REP 103). */
const GEOMETRY: readonly (readonly [RegExp, string])[] = [
  [/(^|\.)twist(\.twist)?\.linear\.[xyz]$/, 'm/s'],
  [/(^|\.)twist(\.twist)?\.angular\.[xyz]$/, 'rad/s'],
  [/(^|\.)pose(\.pose)?\.position\.[xyz]$/, 'm'],
  [/(^|\.)transform\.translation\.[xyz]$/, 'm'],
];

const TWIST: readonly (readonly [RegExp, string])[] = [
  [/^linear\.[xyz]$/, 'm/s'],
  [/^angular\.[xyz]$/, 'rad/s'],
];

const GEOMETRY_PACKAGES = /^(geometry_msgs|nav_msgs|tf2_msgs|tf)\//;

/**
 * @param typeName as `typeNameOf` gives it.
 * @param column flattened with dots.
 */
export function unitOf(typeName: string, column: string): string | undefined {
  const known = BY_TYPE.get(typeName) ?? [];
  const geometry = GEOMETRY_PACKAGES.test(typeName)
    ? [...GEOMETRY, ...(typeName === 'geometry_msgs/Twist' ? TWIST : [])]
    : [];
  return [...known, ...geometry].find(([pattern]) => pattern.test(column))?.[1];
}
