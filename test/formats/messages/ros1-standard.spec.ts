import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { parseRosDefinition, ros1Md5sum } from '#formats/messages/ros-definition.ts';
import { standardRos1Definition } from '#formats/messages/ros1-standard.ts';

/** As the ROS packages themselves publish them (`_md5sum` in the generated Python). */
const PUBLISHED: Readonly<Record<string, string>> = {
  'std_msgs/Header': '2176decaecbce78abc3b96ef049fabed',
  'std_msgs/String': '992ce8a1687cec8c8bd883ec73ca41d1',
  'geometry_msgs/TwistStamped': '98d34b0043a2093cf9d9345ab6eef12e',
  'geometry_msgs/TransformStamped': 'b5764a33bfeb3588febc2682852579b0',
  'nav_msgs/Odometry': 'cd5e73d190d741a2f92e81eda573aca7',
  'tf2_msgs/TFMessage': '94810edda583a504dfda3829e70d7eec',
  'sensor_msgs/Image': '060021388200f6f0f447d0fcd9c64743',
  'sensor_msgs/CompressedImage': '8f7a12909da2c9d3332d540a0977563f',
  'sensor_msgs/CameraInfo': 'c9a58c1b0b154e0e6da7578cb991d214',
  'sensor_msgs/PointCloud2': '1158d486dd51d683ce2f1be655c3c181',
  'sensor_msgs/PointCloud': 'd8e9c3f5afbdd8a130fd1d2763945fca',
  'sensor_msgs/MultiEchoLaserScan': '6fefb0c6da89d7c8abe4b339f5c2f8fb',
  'sensor_msgs/NavSatFix': '2d3a8cd499b9b4a0249fb98fd05cfa48',
  'sensor_msgs/Imu': '6a62c6daae103f4ff57a132d6f95cec2',
  'sensor_msgs/MagneticField': '2f3b0b43eed0c9501de0fa3ff89a45aa',
  'sensor_msgs/TimeReference': 'fded64a0265108ba86c3d38fb11c0c16',
  'sensor_msgs/LaserScan': '90c7ef2dc6895d81024acba2ac42f369',
  'can_msgs/Frame': '64ae5cebf967dc6aae4e78f5683a5b25',
};

const md5 = (text: string) => createHash('md5').update(text).digest('hex');

describe('the common ROS 1 messages', () => {
  for (const [type, published] of Object.entries(PUBLISHED)) {
    it(`has ${type} as ROS has it, by its checksum`, () => {
      assert.equal(ros1Md5sum(type, standardRos1Definition(type), md5), published);
    });
  }

  it('gives each definition with all that it needs to be parsed alone', () => {
    for (const type of Object.keys(PUBLISHED)) {
      assert.ok(parseRosDefinition(type, standardRos1Definition(type), 'ros1').fields.length > 0);
    }
  });

  it('refuses a type that is not among them, by name', () => {
    assert.throws(() => standardRos1Definition('acme_msgs/Widget'), /acme_msgs\/Widget/);
  });
});
