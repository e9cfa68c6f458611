/** The file that makes a folder a ROS 2 bag. Whoever only looks for it does without the parser of its content. */
export const ROSBAG2_METADATA_NAME = 'metadata.yaml';
