import { RosbagWriter } from '#formats/rosbag/writer.ts';

/** A ROS bag in memory with one topic of `std_msgs/String`-like messages at fixed times, small and exactly known. */
export async function smallBag(options: {
  readonly topic?: string;
  readonly timesNs: readonly bigint[];
}): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const writer = await RosbagWriter.create({
    append: async (bytes) => {
      parts.push(bytes.slice());
    },
    overwrite: async (offset, bytes) => {
      const whole = new Uint8Array(Buffer.concat(parts));
      whole.set(bytes, offset);
      parts.splice(0, parts.length, whole);
    },
  });
  const connection = writer.addConnection({
    topic: options.topic ?? '/speed',
    type: 'std_msgs/Float64',
    md5sum: 'fdb28210bfa9d7c91146260178d9a584',
    definition: 'float64 data\n',
  });
  for (const timeNs of options.timesNs) await writer.addMessage(connection, timeNs, new Uint8Array(8));
  await writer.close();
  return new Uint8Array(Buffer.concat(parts));
}

/** `count` times from `startNs` on, `periodMs` apart. */
export function timesNs(startNs: bigint, count: number, periodMs: number): bigint[] {
  return Array.from({ length: count }, (_, index) => startNs + BigInt(index * periodMs) * 1_000_000n);
}
