import { byteSourceOf, memorySink } from '#formats/byte-source.ts';
import { parseRosDefinition } from '#formats/messages/ros-definition.ts';
import { type MessageValue, serializeRos1 } from '#formats/messages/ros1-serializer.ts';
import { standardRos1Definition } from '#formats/messages/ros1-standard.ts';
import type { RecordingReader, TableBatch } from '#formats/recording-reader.ts';
import { openRosbag } from '#formats/rosbag/open-rosbag.ts';
import { RosbagWriter } from '#formats/rosbag/writer.ts';
import { NODE_DECOMPRESSORS } from '#test/formats/mdf4/node-decompressors.ts';

export interface RosTopic {
  readonly topic: string;
  /** One of src/formats/messages/ros1-standard.ts. */
  readonly type: string;
  readonly messages: readonly { readonly timeNs: bigint; readonly value: MessageValue }[];
}

/** Messages as a bag in memory, opened: what a reader makes of them is what an extraction gets. */
export async function rosRecording(topics: readonly RosTopic[]): Promise<RecordingReader> {
  const sink = memorySink();
  const writer = await RosbagWriter.create(sink);
  const all = topics.flatMap(({ topic, type, messages }) => {
    const definition = standardRos1Definition(type);
    const connection = writer.addConnection({ topic, type, md5sum: '0'.repeat(32), definition });
    const parsed = parseRosDefinition(type, definition, 'ros1');
    return messages.map(({ timeNs, value }) => ({ connection, timeNs, bytes: serializeRos1(parsed, value) }));
  });
  for (const { connection, timeNs, bytes } of all.toSorted((a, b) => Number(a.timeNs - b.timeNs)))
    await writer.addMessage(connection, timeNs, bytes);
  await writer.close();
  return openRosbag(byteSourceOf(sink.bytes()), { name: 'test.bag', decompressors: NODE_DECOMPRESSORS });
}

export async function rosBatches(...topics: readonly RosTopic[]): Promise<TableBatch[]> {
  const batches: TableBatch[] = [];
  for await (const batch of (await rosRecording(topics)).read()) batches.push(batch);
  return batches;
}
