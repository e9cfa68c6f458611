import assert from 'node:assert/strict';
import type { RecordingFacts } from '#domain/recording-facts.ts';
import type { ResultFile } from '#domain/result-manifest.ts';
import type { PlannedTask } from '#domain/stage-plan.ts';
import { type ExtractionFacts, ExtractionProfile, planExtraction } from '#domain/stages/extract.ts';
import { ExtractCameraTask, ExtractCanTask, type SelectedFile } from '#domain/tasks/extract-tasks.ts';
import { sensorKindOf } from '#domain/topic-kinds.ts';
import { SensorKind } from '#domain/vocabulary.ts';

const MEBIBYTE = 1024 ** 2;

function rawFile(path: string, topics: Record<string, string>, sizeBytes = 600 * MEBIBYTE): ResultFile {
  const recording: RecordingFacts = {
    format: 'rosbag',
    version: '2.0',
    topics: Object.entries(topics).map(([name, schemaName]) => ({
      name,
      schemaName,
      encoding: 'ros1',
      messageCount: name.includes('silent') ? 0 : 5,
      outOfOrderCount: 0,
    })),
    loss: { records: 0, bytes: 0, reasons: [] },
  };
  const file = {
    account: 'raw',
    container: 'recordings',
    path: `x/${path}`,
    sizeBytes,
    sha256: '0'.repeat(64),
  };
  return { ...file, mediaType: 'application/x-rosbag', sensor: 'structured', sourceFile: path, recording };
}

function facts(rawFiles: ResultFile[], part: Partial<ExtractionFacts> = {}): ExtractionFacts {
  const locations = SensorKind.options.map((container) => ({ account: 'extracted', container, path: 'f/' }));
  return {
    vehicle: { vin: 'V' },
    attempt: 2,
    rawFiles,
    dataStream: { dataStreamId: 'd', kind: 'extracted', zone: 'extracted', locations, parents: ['r'] },
    profile: ExtractionProfile.parse({}),
    dbc: {},
    topicMap: {},
    ...part,
  };
}

function filesOf(task: PlannedTask | undefined): readonly SelectedFile[] {
  return (task?.own['files'] ?? []) as readonly SelectedFile[];
}

const MIXED = {
  '/cam': 'sensor_msgs/CompressedImage',
  '/lidar': 'sensor_msgs/msg/PointCloud2',
  '/can': 'can_msgs/Frame',
  '/imu': 'sensor_msgs/Imu',
};

describe('planning an extraction', () => {
  it('validates each file first, and lets every other task of the file wait for it', () => {
    const tasks = planExtraction(
      facts([rawFile('a.bag', MIXED), rawFile('b.bag', { '/imu': 'sensor_msgs/Imu' })]),
    );
    assert.deepEqual(
      tasks.map((task) => [task.image.replace('landfall/extract-', ''), task.dependsOn]),
      [
        ['validation', []],
        ['metadata', [0]],
        ['structured', [0]],
        ['camera', [0]],
        ['lidar', [0]],
        ['can', [0]],
        ['validation', []],
        ['metadata', [6]],
        ['structured', [6]],
      ],
    );
  });

  it('gives each task the topics of its kind, and folders of its attempt and its own', () => {
    const [, , structured, camera] = planExtraction(facts([rawFile('a.bag', MIXED)]));
    const topics = filesOf(structured)[0]?.topics.map((topic) => topic.name);
    assert.deepEqual(topics, ['/imu']);
    assert.equal(structured?.output.imu?.path, 'f/attempt-2/task-2/');
    assert.deepEqual(Object.keys(camera?.output ?? {}), ['camera']);
  });

  it('asks for nothing from topics that are excluded or silent', () => {
    const profile = ExtractionProfile.parse({ excludedTopics: ['/cam'] });
    const files = [rawFile('a.bag', { '/cam': 'sensor_msgs/Image', '/silent': 'std_msgs/String' })];
    const images = planExtraction(facts(files, { profile })).map((task) => task.image);
    assert.deepEqual(images, ['landfall/extract-validation', 'landfall/extract-metadata']);
  });

  it('puts 10,000 small files into a hundred groups, and a large one by itself', () => {
    const small = Array.from({ length: 10_000 }, (_, index) =>
      rawFile(`${index}.bag`, { '/a': 'x/Y' }, 1000),
    );
    const tasks = planExtraction(facts([rawFile('large.bag', { '/a': 'x/Y' }, 5000 * MEBIBYTE), ...small]));
    assert.equal(tasks.length, 3 * 101);
    assert.equal(filesOf(tasks[0]).length, 1);
  });

  it('has no tasks for files that are no recordings', () => {
    const { recording: _, ...notes } = rawFile('notes.txt', {});
    assert.deepEqual(planExtraction(facts([notes])), []);
  });

  it('hands the databases of the vehicle to the CAN task, and choices to all', () => {
    const dbc = {
      '1': { account: 'o', container: 'dbc', path: 'a.dbc', sha256: '0'.repeat(64), sizeBytes: 3 },
    };
    const profile = ExtractionProfile.parse({ downsampling: { camera: { '*': { rateHzMax: 2 } } } });
    const tasks = planExtraction(facts([rawFile('a.bag', MIXED)], { dbc, profile }));
    const can = tasks.find((task) => task.image === 'landfall/extract-can');
    assert.deepEqual(ExtractCanTask.shape.dbc.parse(can?.own['dbc']), dbc);
    const camera = tasks.find((task) => task.image === 'landfall/extract-camera');
    assert.deepEqual(ExtractCameraTask.shape.downsampling.parse(camera?.own['downsampling']), {
      '*': { rateHzMax: 2 },
    });
  });
});

describe('what a topic carries', () => {
  it('is told by its type, of ROS 1 and ROS 2 alike, and the vehicle has the last word', () => {
    assert.equal(sensorKindOf({ name: '/x', schemaName: 'sensor_msgs/msg/Imu' }), 'imu');
    assert.equal(sensorKindOf({ name: '/x', schemaName: 'radar_msgs/RadarScan' }), 'radar');
    assert.equal(sensorKindOf({ name: '/x', schemaName: 'constructor' }), 'structured');
    assert.equal(sensorKindOf({ name: 'GyroscopeUncalibrated', schemaName: '' }), 'imu');
    assert.equal(sensorKindOf({ name: 'rear_GPS 2', schemaName: '' }), 'gnss');
    assert.equal(sensorKindOf({ name: 'Maximum', schemaName: '' }), 'structured');
    assert.equal(sensorKindOf({ name: 'gps', schemaName: 'my_msgs/Blob' }), 'structured');
    assert.equal(
      sensorKindOf({ name: 'Gyroscope', schemaName: '' }, { Gyroscope: 'structured' }),
      'structured',
    );
    assert.equal(sensorKindOf({ name: '/x', schemaName: 'my_msgs/Blob' }, { '/x': 'lidar' }), 'lidar');
    assert.equal(
      sensorKindOf({ name: '/x', schemaName: 'my_msgs/Blob' }, { '/x': 'nonsense' }),
      'structured',
    );
  });
});
