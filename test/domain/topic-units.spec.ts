import assert from 'node:assert/strict';
import { unitOf } from '#domain/topic-units.ts';

describe('units of messages, which do not say them', () => {
  it('are those of their definitions', () => {
    assert.equal(unitOf('sensor_msgs/Imu', 'angular_velocity.z'), 'rad/s');
    assert.equal(unitOf('sensor_msgs/NavSatFix', 'latitude'), '°');
    assert.equal(unitOf('nav_msgs/Odometry', 'twist.twist.linear.x'), 'm/s');
    assert.equal(unitOf('nav_msgs/Odometry', 'pose.pose.position.y'), 'm');
    assert.equal(unitOf('geometry_msgs/Twist', 'linear.x'), 'm/s');
    assert.equal(unitOf('geometry_msgs/TwistStamped', 'twist.angular.z'), 'rad/s');
  });

  it('are left open where nobody knows them', () => {
    assert.equal(unitOf('my_msgs/Imu', 'angular_velocity.z'), undefined);
    assert.equal(unitOf('geometry_msgs/Vector3', 'x'), undefined);
    assert.equal(unitOf('sensor_msgs/Imu', 'orientation.x'), undefined);
  });
});
