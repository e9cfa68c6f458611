import { z } from 'zod';

/** What is known of a recording file once it has been read: its tables, their times, what was lost. */

export const LossReport = z.object({
  records: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  reasons: z.array(z.string()).max(100),
});
export type LossReport = z.infer<typeof LossReport>;

export const NO_LOSS: LossReport = { records: 0, bytes: 0, reasons: [] };

/** One ROS topic, MDF channel group or TDMS group, as validation counted it. */
export const TopicFacts = z.object({
  name: z.string(),
  /** The type the recorder declares: `sensor_msgs/Imu`, `CAN_DataFrame`, or ''. */
  schemaName: z.string(),
  encoding: z.string(),
  messageCount: z.int().nonnegative(),
  startTime: z.iso.datetime().optional(),
  endTime: z.iso.datetime().optional(),
  /** Messages per second between the first and the last. */
  rateHz: z.number().nonnegative().optional(),
  /** The longest time between two neighbours. */
  gapMsMax: z.number().nonnegative().optional(),
  /** Messages earlier than the one before them. */
  outOfOrderCount: z.int().nonnegative(),
});
export type TopicFacts = z.infer<typeof TopicFacts>;

export const RecordingFacts = z.object({
  format: z.enum(['mdf4', 'tdms', 'rosbag', 'mcap', 'rosbag2']),
  version: z.string(),
  writer: z.string().optional(),
  startTime: z.iso.datetime().optional(),
  endTime: z.iso.datetime().optional(),
  topics: z.array(TopicFacts),
  loss: LossReport,
});
export type RecordingFacts = z.infer<typeof RecordingFacts>;
