import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import { ROSBAG2_METADATA_NAME } from './rosbag2-metadata-name.ts';

/** What rosbag2 writes when a recording ends (github.com/ros2/rosbag2, rosbag2_storage, `BagMetadata`, version 1 to 9). */
export interface Rosbag2Metadata {
  /** `sqlite3` or `mcap`. */
  readonly storage: string;
  /** Names in the folder, in the order of their time. */
  readonly files: readonly Rosbag2File[];
  readonly messageCounts: ReadonlyMap<string, number>;
  readonly properties: Readonly<Record<string, string>>;
}

export interface Rosbag2File {
  readonly name: string;
  /** Of this file alone; not said before version 5. */
  readonly messageCount?: number;
}

const Count = z.int().nonnegative();

const Metadata = z.object({
  rosbag2_bagfile_information: z.object({
    version: z.int(),
    storage_identifier: z.string(),
    relative_file_paths: z.array(z.string()),
    files: z.array(z.object({ path: z.string(), message_count: Count.optional() })).nullish(),
    topics_with_message_count: z
      .array(z.object({ topic_metadata: z.object({ name: z.string() }), message_count: Count }))
      .nullish(),
    compression_format: z.string().nullish(),
    compression_mode: z.string().nullish(),
    ros_distro: z.string().nullish(),
    custom_data: z.record(z.string(), z.unknown()).nullish(),
  }),
});

/** A sentence says what is wrong where it is none. */
export function parseRosbag2Metadata(
  text: string,
):
  | { readonly ok: true; readonly metadata: Rosbag2Metadata }
  | { readonly ok: false; readonly problem: string } {
  let value: unknown;
  try {
    // Times are nanoseconds, which a number does not hold exactly; none of them is used.
    value = parse(text, { maxAliasCount: 10 });
  } catch (error) {
    if (!(error instanceof YAMLParseError || error instanceof ReferenceError)) throw error;
    return { ok: false, problem: `${ROSBAG2_METADATA_NAME} is no YAML: ${error.message.split('\n')[0]}` };
  }
  const parsed = Metadata.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`;
    return { ok: false, problem: `${ROSBAG2_METADATA_NAME} is not that of a ROS 2 bag (${where})` };
  }
  const information = parsed.data.rosbag2_bagfile_information;
  const counts = new Map(information.files?.map((file) => [nameOf(file.path), file.message_count]));
  return {
    ok: true,
    metadata: {
      storage: information.storage_identifier,
      files: information.relative_file_paths.map((path) => {
        const messageCount = counts.get(nameOf(path));
        return { name: nameOf(path), ...(messageCount === undefined ? {} : { messageCount }) };
      }),
      messageCounts: new Map(
        information.topics_with_message_count?.map((topic) => [
          topic.topic_metadata.name,
          topic.message_count,
        ]),
      ),
      properties: propertiesOf(information),
    },
  };
}

/** Early versions wrote paths with the folder in front. */
function nameOf(path: string): string {
  return path.split('/').at(-1) ?? path;
}

function propertiesOf(
  information: z.infer<typeof Metadata>['rosbag2_bagfile_information'],
): Record<string, string> {
  const { ros_distro, compression_mode, custom_data } = information;
  const own = Object.entries(custom_data ?? {}).map(([name, value]) => [`custom.${name}`, String(value)]);
  return {
    'rosbag2.version': String(information.version),
    ...(ros_distro ? { rosDistro: ros_distro } : {}),
    ...(compression_mode ? { 'rosbag2.compressionMode': compression_mode.toLowerCase() } : {}),
    ...Object.fromEntries(own),
  };
}
