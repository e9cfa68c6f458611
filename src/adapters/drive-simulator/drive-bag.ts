import { createHash } from 'node:crypto';
import sharp from 'sharp';
import type { ByteSink } from '#formats/byte-source.ts';
import { parseRosDefinition, ros1Md5sum } from '#formats/messages/ros-definition.ts';
import { type MessageValue, serializeRos1 } from '#formats/messages/ros1-serializer.ts';
import { standardRos1Definition } from '#formats/messages/ros1-standard.ts';
import { RosbagWriter } from '#formats/rosbag/writer.ts';
import { type Drive, positionOf, seededNoise, statesAt, type VehicleState } from './drive.ts';

/** A drive as its recorder would write it: cameras, lidar, GNSS, IMU and CAN in one ROS bag. */

export interface DriveBagOptions {
  readonly drive: Drive;
  /** UTC nanoseconds since 1970 of the first moment. */
  readonly startTimeNs: bigint;
  readonly seed: number;
}

export interface DriveBagFacts {
  /** Messages per topic. */
  readonly messageCounts: Readonly<Record<string, number>>;
  readonly endTimeNs: bigint;
}

interface Sensor {
  readonly topic: string;
  readonly type: string;
  readonly rateHz: number;
  /** Seconds after the start of each period. */
  readonly phaseSeconds: number;
  message(state: VehicleState, stampNs: bigint, index: number): MessageValue | Promise<MessageValue>;
}

/** The DBC that describes the CAN frames of the demo vehicle. */
export const DEMO_DBC = `VERSION ""

NS_ :

BS_:

BU_: ESC EPS

BO_ 256 VEHICLE_DYNAMICS: 8 ESC
 SG_ VEHICLE_SPEED : 0|16@1+ (0.01,0) [0|655.35] "km/h" EPS
 SG_ LONGITUDINAL_ACCELERATION : 16|16@1- (0.001,0) [-32|32] "m/s2" EPS
 SG_ BRAKE_PRESSED : 32|1@1+ (1,0) [0|1] "" EPS

BO_ 257 STEERING: 4 EPS
 SG_ STEERING_ANGLE : 0|16@1- (0.1,0) [-3276|3276] "deg" ESC

VAL_ 256 BRAKE_PRESSED 1 "pressed" 0 "released" ;
`;

const FRONT = { widthPixels: 160, heightPixels: 120 };

/** Writes the bag. The same options give the same bytes. */
export async function writeDriveBag(sink: ByteSink, options: DriveBagOptions): Promise<DriveBagFacts> {
  const writer = await RosbagWriter.create(sink);
  const sensors = sensorsOf(seededNoise(options.seed));
  const samples = sensors
    .flatMap((sensor, order) => samplesOf(sensor, order, options.drive))
    .toSorted((a, b) => a.seconds - b.seconds || a.order - b.order);
  const states = statesAt(
    options.drive,
    samples.map((sample) => sample.seconds),
  );
  const connections = new Map(sensors.map((sensor) => [sensor, connectionOf(writer, sensor)]));
  const messageCounts: Record<string, number> = {};
  for (const [position, { sensor, seconds, index }] of samples.entries()) {
    const stampNs = options.startTimeNs + BigInt(Math.round(seconds * 1e9));
    const { id, type } = connections.get(sensor)!;
    const value = await sensor.message(states[position]!, stampNs, index);
    await writer.addMessage(id, stampNs, serializeRos1(type, value));
    messageCounts[sensor.topic] = (messageCounts[sensor.topic] ?? 0) + 1;
  }
  await writer.close();
  const last = samples.at(-1)?.seconds ?? 0;
  return { messageCounts, endTimeNs: options.startTimeNs + BigInt(Math.round(last * 1e9)) };
}

function connectionOf(writer: RosbagWriter, { topic, type }: Sensor) {
  const definition = standardRos1Definition(type);
  const md5sum = ros1Md5sum(type, definition, (text) => createHash('md5').update(text).digest('hex'));
  const id = writer.addConnection({ topic, type, md5sum, definition });
  return { id, type: parseRosDefinition(type, definition, 'ros1') };
}

function samplesOf(sensor: Sensor, order: number, drive: Drive) {
  const count = Math.floor((drive.durationSeconds - sensor.phaseSeconds) * sensor.rateHz);
  return Array.from({ length: count }, (_, index) => ({
    sensor,
    index,
    order,
    seconds: sensor.phaseSeconds + index / sensor.rateHz,
  }));
}

function sensorsOf(noise: () => number): readonly Sensor[] {
  const around = (spread: number) => (noise() - 0.5) * 2 * spread;
  return [
    {
      topic: '/gnss/fix',
      type: 'sensor_msgs/NavSatFix',
      rateHz: 10,
      phaseSeconds: 0.003,
      message: (state, stampNs) => navSatFix(state, stampNs, around),
    },
    {
      topic: '/imu/data',
      type: 'sensor_msgs/Imu',
      rateHz: 100,
      phaseSeconds: 0,
      message: (state, stampNs) => imu(state, stampNs, around),
    },
    {
      topic: '/can/powertrain',
      type: 'can_msgs/Frame',
      rateHz: 50,
      phaseSeconds: 0.001,
      message: dynamicsFrame,
    },
    {
      topic: '/can/powertrain',
      type: 'can_msgs/Frame',
      rateHz: 20,
      phaseSeconds: 0.0015,
      message: steeringFrame,
    },
    {
      topic: '/camera/front/image_raw',
      type: 'sensor_msgs/Image',
      rateHz: 5,
      phaseSeconds: 0.02,
      message: frontImage,
    },
    {
      topic: '/camera/rear/compressed',
      type: 'sensor_msgs/CompressedImage',
      rateHz: 2,
      phaseSeconds: 0.04,
      message: rearImage,
    },
    {
      topic: '/lidar/points',
      type: 'sensor_msgs/PointCloud2',
      rateHz: 5,
      phaseSeconds: 0.05,
      message: (_, stampNs, index) => pointCloud(stampNs, index, around),
    },
  ];
}

type Around = (spread: number) => number;

function header(stampNs: bigint, frameId: string, seq = 0): MessageValue {
  return { seq, stamp: stampNs, frame_id: frameId };
}

function navSatFix(state: VehicleState, stampNs: bigint, around: Around): MessageValue {
  const { latitudeDegrees, longitudeDegrees } = positionOf(state);
  // A receiver with corrections: a few millimetres, in degrees.
  const noiseDegrees = 3e-8;
  return {
    header: header(stampNs, 'gnss'),
    status: { status: 2, service: 1 },
    latitude: latitudeDegrees + around(noiseDegrees),
    longitude: longitudeDegrees + around(noiseDegrees),
    altitude: 34 + around(0.01),
    position_covariance: Float64Array.of(1e-5, 0, 0, 0, 1e-5, 0, 0, 0, 1e-4),
    position_covariance_type: 2,
  };
}

function imu(state: VehicleState, stampNs: bigint, around: Around): MessageValue {
  return {
    header: header(stampNs, 'base_link'),
    orientation: { x: 0, y: 0, z: Math.sin(state.heading / 2), w: Math.cos(state.heading / 2) },
    angular_velocity: {
      x: around(0.002),
      y: around(0.002),
      z: state.yawRateRadiansPerSecond + around(0.004),
    },
    linear_acceleration: {
      x: state.accelerationMetresPerSecond2 + around(0.05),
      y: state.speedMetresPerSecond * state.yawRateRadiansPerSecond + around(0.05),
      z: 9.81 + around(0.05),
    },
  };
}

/** 0x100, see DEMO_DBC. */
function dynamicsFrame(state: VehicleState, stampNs: bigint): MessageValue {
  const data = new DataView(new ArrayBuffer(8));
  data.setUint16(0, Math.round((state.speedMetresPerSecond * 3.6) / 0.01), true);
  data.setInt16(2, Math.round(state.accelerationMetresPerSecond2 / 0.001), true);
  data.setUint8(4, state.accelerationMetresPerSecond2 < -0.5 ? 1 : 0);
  return canFrame(0x100, data, stampNs);
}

const WHEELBASE_METRES = 2.8;
const STEERING_RATIO = 15;

/** 0x101: the steering wheel's angle that makes a single-track vehicle turn so. */
function steeringFrame(state: VehicleState, stampNs: bigint): MessageValue {
  const { speedMetresPerSecond: speed, yawRateRadiansPerSecond: yawRate } = state;
  const wheelRadians = speed < 0.5 ? 0 : Math.atan((WHEELBASE_METRES * yawRate) / speed);
  const data = new DataView(new ArrayBuffer(4));
  data.setInt16(0, Math.round((wheelRadians * STEERING_RATIO * 180) / Math.PI / 0.1), true);
  return canFrame(0x101, data, stampNs);
}

function canFrame(id: number, payload: DataView, stampNs: bigint): MessageValue {
  const data = new Uint8Array(8);
  data.set(new Uint8Array(payload.buffer));
  return {
    header: header(stampNs, 'powertrain'),
    id,
    is_rtr: false,
    is_extended: false,
    is_error: false,
    dlc: payload.byteLength,
    data,
  };
}

/** Sky, road and lane markings that move with the vehicle: enough to see that frames are in order. */
function pixelsOf(state: VehicleState, widthPixels: number, heightPixels: number): Uint8Array {
  const pixels = new Uint8Array(widthPixels * heightPixels * 3);
  const horizon = Math.floor(heightPixels * 0.45);
  const wayMetres = Math.hypot(state.xMetres, state.yMetres);
  for (let y = 0; y < heightPixels; y++) {
    const depth = (y - horizon) / (heightPixels - horizon);
    const dashed = Math.floor(wayMetres / 2 + 6 / Math.max(depth, 0.05)) % 2 === 0;
    for (let x = 0; x < widthPixels; x++) {
      const at = (y * widthPixels + x) * 3;
      const aside = Math.abs(x - widthPixels / 2) / (widthPixels / 2);
      const lane = y > horizon && dashed && aside < 0.02 + depth * 0.02;
      const road = y > horizon && aside < 0.15 + depth * 0.8;
      const [red, green, blue] = lane
        ? [240, 240, 230]
        : road
          ? [90, 90, 95]
          : y > horizon
            ? [70, 110, 60]
            : [120, 170, 225];
      pixels[at] = red!;
      pixels[at + 1] = green!;
      pixels[at + 2] = blue!;
    }
  }
  return pixels;
}

function frontImage(state: VehicleState, stampNs: bigint, index: number): MessageValue {
  const { widthPixels, heightPixels } = FRONT;
  return {
    header: header(stampNs, 'camera_front', index),
    height: heightPixels,
    width: widthPixels,
    encoding: 'rgb8',
    is_bigendian: 0,
    step: widthPixels * 3,
    data: pixelsOf(state, widthPixels, heightPixels),
  };
}

async function rearImage(state: VehicleState, stampNs: bigint, index: number): Promise<MessageValue> {
  const [width, height] = [320, 240];
  const jpeg = await sharp(pixelsOf(state, width, height), { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 80 })
    .toBuffer();
  return { header: header(stampNs, 'camera_rear', index), format: 'jpeg', data: new Uint8Array(jpeg) };
}

const POINTS_PER_SWEEP = 720;
const POINT_BYTES = 16;

/** One ring around the vehicle: a wall at 20 m with a gap. Fields x, y, z, intensity as float32. */
function pointCloud(stampNs: bigint, index: number, around: Around): MessageValue {
  const data = new DataView(new ArrayBuffer(POINTS_PER_SWEEP * POINT_BYTES));
  for (let point = 0; point < POINTS_PER_SWEEP; point++) {
    const angle = (point / POINTS_PER_SWEEP) * 2 * Math.PI;
    const range = point % 90 < 10 ? 45 : 20 + around(0.02);
    data.setFloat32(point * POINT_BYTES, range * Math.cos(angle), true);
    data.setFloat32(point * POINT_BYTES + 4, range * Math.sin(angle), true);
    data.setFloat32(point * POINT_BYTES + 8, around(0.05), true);
    data.setFloat32(point * POINT_BYTES + 12, 100 + around(20), true);
  }
  const field = (name: string, offset: number): MessageValue => ({ name, offset, datatype: 7, count: 1 });
  return {
    header: header(stampNs, 'lidar', index),
    height: 1,
    width: POINTS_PER_SWEEP,
    fields: [field('x', 0), field('y', 4), field('z', 8), field('intensity', 12)],
    is_bigendian: false,
    point_step: POINT_BYTES,
    row_step: POINTS_PER_SWEEP * POINT_BYTES,
    data: new Uint8Array(data.buffer),
    is_dense: true,
  };
}
