import { textValues } from '#domain/column-values.ts';
import { SCAN_INDEX_COLUMNS, SCAN_INDEX_ROLE } from '#domain/table-columns.ts';
import { typeNameOf } from '#domain/topic-kinds.ts';
import type { TableBatch } from '#formats/recording-reader.ts';
import { FrameShards, shardFiles } from './frame-shards.ts';
import { IndexTable } from './index-table.ts';
import { listedPointRows, multiEchoRows } from './list-points.ts';
import { pcdOf } from './pcd.ts';
import { type LoseScan, laserScanRows, type PointRows, pointCloudRows } from './point-clouds.ts';
import {
  type ExtractedFile,
  type ExtractionPlace,
  GrowingTable,
  type TopicExtraction,
} from './topic-extraction.ts';
import { TopicTables } from './topic-tables.ts';

export interface LidarOptions {
  /** Whether each scan is also a PCD file, in tar shards with an index. */
  readonly pcd: boolean;
  /** A shard is closed before it grows beyond this. */
  readonly shardSizeBytesMax: number;
}

/**
 * Lidar topics: a table of messages as they were recorded (packets of Velodyne and Ouster too), and, where the
 * message says how its points lie, a table of points and the scans as PCD files.
 */
export class LidarTopics implements TopicExtraction {
  readonly #place: ExtractionPlace;
  readonly #options: LidarOptions;
  readonly #messages: TopicTables;
  readonly #topics = new Map<string, PointTopic>();

  constructor(place: ExtractionPlace, options: LidarOptions) {
    this.#place = place;
    this.#options = options;
    this.#messages = new TopicTables(place);
  }

  async take(whole: TableBatch): Promise<void> {
    const batch = this.#place.downsampler.thin(whole);
    if (batch.rowCount === 0) return;
    await this.#messages.append(batch);
    let topic = this.#topics.get(batch.table.name);
    if (topic === undefined) {
      topic = new PointTopic(this.#place, batch.table, this.#options);
      this.#topics.set(batch.table.name, topic);
    }
    await topic.take(batch);
  }

  async finish(): Promise<readonly ExtractedFile[]> {
    const files = [...(await this.#messages.finish())];
    for (const topic of this.#topics.values()) files.push(...(await topic.finish()));
    return files;
  }
}

interface IndexedScan {
  readonly timestampNs: bigint;
  readonly scanNumber: number;
  readonly shard: string;
  readonly byteOffset: number;
  readonly sizeBytes: number;
  readonly pointCount: number;
}

/** The points of one topic. */
class PointTopic {
  readonly #place: ExtractionPlace;
  readonly #table: TableBatch['table'];
  readonly #pcd: { readonly shards: FrameShards; readonly index: IndexTable<IndexedScan> } | undefined;
  /** One per layout: a topic whose fields change gets a further table. */
  readonly #tables = new Map<string, GrowingTable>();
  #scanCount = 0;

  constructor(place: ExtractionPlace, table: TableBatch['table'], { pcd, shardSizeBytesMax }: LidarOptions) {
    this.#place = place;
    this.#table = table;
    const folder = this.#pcdFolder();
    const { name, schemaName } = table;
    const about = { name, role: SCAN_INDEX_ROLE, schemaName, columns: SCAN_INDEX_COLUMNS };
    this.#pcd = pcd
      ? {
          shards: new FrameShards(place.folder, folder, shardSizeBytesMax),
          index: new IndexTable(
            new GrowingTable(place, `${folder}/index.parquet`, name, about),
            indexColumns,
          ),
        }
      : undefined;
  }

  async take(batch: TableBatch): Promise<void> {
    const lose: LoseScan = (scanNumber, what) =>
      this.#place.lost.add(1, 0, `${this.#table.name}: the points of scan ${scanNumber} are lost: ${what}`);
    for (const points of pointsOf(batch, this.#scanCount, lose)) {
      await this.#tableOf(points).append(points.rows);
      await this.#addPcd(points);
    }
    this.#scanCount += batch.rowCount;
  }

  async finish(): Promise<readonly ExtractedFile[]> {
    const files: ExtractedFile[] = [];
    for (const table of this.#tables.values()) {
      const file = await table.close();
      if (file !== undefined) files.push(file);
    }
    if (this.#pcd === undefined) return files;
    files.push(...shardFiles(await this.#pcd.shards.close(), this.#pcdFolder(), this.#table.name));
    const index = await this.#pcd.index.close();
    if (index !== undefined) files.push(index);
    return files;
  }

  #tableOf({ columns }: PointRows): GrowingTable {
    const key = JSON.stringify(columns);
    const known = this.#tables.get(key);
    if (known !== undefined) return known;
    const { name, schemaName } = this.#table;
    const number = this.#tables.size === 0 ? '' : `-${this.#tables.size + 1}`;
    const fileName = `${this.#place.names.of(name)}.points${number}.parquet`;
    const table = new GrowingTable(this.#place, fileName, name, {
      name,
      role: 'points',
      schemaName,
      columns,
    });
    this.#tables.set(key, table);
    return table;
  }

  async #addPcd(points: PointRows): Promise<void> {
    if (this.#pcd === undefined) return;
    for (const scan of points.scans) {
      const { timestampNs, scanNumber, pointCount } = scan;
      const fileName = `${String(scanNumber).padStart(8, '0')}.pcd`;
      const place = await this.#pcd.shards.add(fileName, pcdOf(points, scan), timestampNs);
      await this.#pcd.index.add({ timestampNs, scanNumber, pointCount, ...place });
    }
  }

  #pcdFolder(): string {
    return `${this.#place.names.of(this.#table.name)}.pcd`;
  }
}

/** None where the type does not say how its points lie: its messages stay as they were recorded. */
function pointsOf(batch: TableBatch, firstScan: number, lose: LoseScan): readonly PointRows[] {
  switch (typeNameOf(batch.table.schemaName)) {
    case 'sensor_msgs/PointCloud2':
      return pointCloudRows(batch, 'ros', firstScan, lose);
    case 'foxglove.PointCloud':
      return pointCloudRows(batch, 'foxglove', firstScan, lose);
    case 'sensor_msgs/PointCloud':
      return listedPointRows(batch, firstScan, lose);
    case 'sensor_msgs/MultiEchoLaserScan':
      return [multiEchoRows(batch, firstScan)];
    case 'sensor_msgs/LaserScan':
    case 'foxglove.LaserScan':
      return [laserScanRows(batch, firstScan)];
    default:
      return [];
  }
}

function indexColumns(scans: readonly IndexedScan[]) {
  return [
    { values: BigInt64Array.from(scans, (scan) => scan.timestampNs) },
    { values: BigInt64Array.from(scans, (scan) => BigInt(scan.scanNumber)) },
    { values: textValues(scans.map((scan) => scan.shard)) },
    { values: BigInt64Array.from(scans, (scan) => BigInt(scan.byteOffset)) },
    { values: BigInt64Array.from(scans, (scan) => BigInt(scan.sizeBytes)) },
    { values: BigInt64Array.from(scans, (scan) => BigInt(scan.pointCount)) },
  ];
}
