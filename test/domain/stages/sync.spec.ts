import assert from 'node:assert/strict';
import type { DataStreamManifest, ResultFile } from '#domain/result-manifest.ts';
import { SIGNALS_MAX, selectSignals } from '#domain/stages/sync.ts';
import type { SensorKind } from '#domain/vocabulary.ts';

type Column = { readonly name: string; readonly type: string; readonly unit?: string };

function table(
  name: string,
  part: {
    sensor?: SensorKind;
    role?: string;
    schemaName?: string;
    rows?: number;
    columns?: Column[];
    file?: string;
  },
): ResultFile {
  const { sensor = 'structured', role = 'topic', schemaName = '', rows = 10, file = 'a' } = part;
  return {
    account: 'extracted',
    container: sensor,
    path: `${file}/${name}.parquet`,
    sizeBytes: 1,
    sha256: '0'.repeat(64),
    mediaType: 'application/vnd.apache.parquet',
    sensor,
    sourceFile: file,
    rowCount: rows,
    table: {
      name,
      role,
      schemaName,
      columns: [
        { name: 'timestamp', type: 'timestamp' },
        ...(part.columns ?? [{ name: 'value', type: 'float64' }]),
      ],
    },
  };
}

const select = (...files: readonly ResultFile[]) =>
  selectSignals({ files } as Pick<DataStreamManifest, 'files'> as DataStreamManifest);
const names = (...files: readonly ResultFile[]) =>
  select(...files).flatMap(({ signals }) => signals.map((signal) => signal.name));

const FIX: Column[] = [
  { name: 'latitude', type: 'float64', unit: '°' },
  { name: 'status.status', type: 'int8' },
  { name: 'header.seq', type: 'uint32' },
  { name: 'header.frame_id', type: 'string' },
  { name: 'position_covariance', type: 'list<float64>' },
];

describe('choosing signals for the timeline', () => {
  it('names the richest receiver gnss, interpolates where it was, holds what it said', () => {
    const selected = select(
      table('/gnss_b/fix', { sensor: 'gnss', schemaName: 'sensor_msgs/NavSatFix', columns: FIX, rows: 30 }),
      table('/gnss_c/fix', { sensor: 'gnss', schemaName: 'sensor_msgs/NavSatFix', columns: FIX, rows: 579 }),
      table('/a/time', {
        sensor: 'gnss',
        schemaName: 'sensor_msgs/TimeReference',
        columns: [{ name: 'source', type: 'string' }],
      }),
    );
    assert.deepEqual(
      selected.map(({ parts }) => parts[0]?.table?.name),
      ['/gnss_c/fix', '/gnss_b/fix'],
    );
    assert.deepEqual(selected[0]?.signals, [
      { column: 'latitude', name: 'gnss.latitude', unit: '°', method: 'linear' },
      { column: 'status.status', name: 'gnss.status.status', method: 'as-of' },
    ]);
    assert.equal(selected[1]?.signals[0]?.name, 'gnss_2.latitude');
  });

  const degrees = (...of: readonly string[]): Column[] =>
    of.map((name) => ({ name, type: 'float64', unit: 'deg' }));

  it("takes a position on CAN for the vehicle's where no receiver has a topic of its own", () => {
    const position = table('CAN9.gnss_pos', {
      sensor: 'can',
      role: 'can-decoded',
      columns: [
        ...degrees('Latitude', 'Longitude'),
        { name: 'PositionAccuracy', type: 'float64', unit: 'm' },
      ],
    });
    const [signals] = select(position).map((selected) => selected.signals);
    assert.deepEqual(
      signals?.map(({ name, method }) => [name, method]),
      [
        ['gnss.latitude', 'linear'],
        ['gnss.longitude', 'linear'],
        ['can.CAN9.gnss_pos.PositionAccuracy', 'as-of'],
      ],
    );
    const receiver = table('/fix', {
      sensor: 'gnss',
      schemaName: 'sensor_msgs/NavSatFix',
      columns: degrees('latitude', 'longitude'),
    });
    assert.deepEqual(names(receiver, position).slice(2, 4), [
      'can.CAN9.gnss_pos.Latitude',
      'can.CAN9.gnss_pos.Longitude',
    ]);
  });

  it('takes no angle of another kind for a position, and not half of one', () => {
    assert.deepEqual(names(table('Attitude', { columns: degrees('lat_accel', 'Longitudinal') })), [
      'Attitude.lat_accel',
      'Attitude.Longitudinal',
    ]);
    assert.deepEqual(names(table('Sun', { columns: degrees('lat') })), ['Sun.lat']);
    const metres: Column[] = ['lat', 'lon'].map((name) => ({ name, type: 'float64', unit: 'm' }));
    assert.deepEqual(names(table('Local', { columns: metres })), ['Local.lat', 'Local.lon']);
  });

  it('leaves channel groups their names, whatever sensor they are of', () => {
    const columns: Column[] = [{ name: 'forward', type: 'float64', unit: 'm/s^2' }];
    assert.deepEqual(
      names(
        table('Accelerometer', { sensor: 'imu', columns }),
        table('Gyroscope', { sensor: 'imu', columns }),
      ),
      ['Accelerometer.forward', 'Gyroscope.forward'],
    );
  });

  it('joins the parts of a topic that was split over files', () => {
    const part = { sensor: 'imu' as const, schemaName: 'sensor_msgs/Imu' };
    const selected = select(
      table('/imu', { ...part, file: '0.bag' }),
      table('/imu', { ...part, file: '1.bag' }),
    );
    assert.deepEqual(
      selected.map(({ parts }) => parts.map((file) => file.sourceFile)),
      [['0.bag', '1.bag']],
    );
    assert.equal(selected[0]?.signals[0]?.name, 'imu.value');
  });

  it('keeps topics of one name apart when their columns differ', () => {
    const part = { sensor: 'imu' as const, schemaName: 'sensor_msgs/Imu' };
    const other = table('/imu', { ...part, columns: [{ name: 'other', type: 'float64' }] });
    assert.deepEqual(names(table('/imu', part), other), ['imu.value', 'imu_2.other']);
  });

  it('takes decoded CAN, motion and measured channels, but no wishes, packets or empty tables', () => {
    assert.deepEqual(
      names(
        table('CAN1.WHEELS', { sensor: 'can', role: 'can-decoded', schemaName: 'WHEELS' }),
        table('Speed', {}),
        table('/odom', { schemaName: 'nav_msgs/Odometry' }),
        table('/cmd_vel', { schemaName: 'geometry_msgs/Twist' }),
        table('/diagnostics', { schemaName: 'diagnostic_msgs/DiagnosticArray' }),
        table('CAN1', { sensor: 'can', role: 'can-raw', schemaName: 'CAN_DataFrame' }),
        table('Empty', { rows: 0 }),
      ),
      ['odom.value', 'can.CAN1.WHEELS.value', 'Speed.value'],
    );
  });

  it('stays within what a table bears, and lets the most telling signals in first', () => {
    const many = Array.from({ length: SIGNALS_MAX + 10 }, (_, index) => ({
      name: `c${index}`,
      type: 'float64',
    }));
    const chosen = names(
      table('Bench', { columns: many }),
      table('/imu', { sensor: 'imu', schemaName: 'sensor_msgs/Imu' }),
    );
    assert.equal(chosen.length, SIGNALS_MAX);
    assert.equal(chosen[0], 'imu.value');
  });
});
