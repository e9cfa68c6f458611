import assert from 'node:assert/strict';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import sinon from 'sinon';
import { anybody } from '#adapters/http/access.ts';
import { type MetadataOperations, metadataApi } from '#adapters/http/metadata-api.ts';
import { openApiDocument } from '#adapters/http/routes.ts';
import { Cancelled, Conflict, RetryableFailure, TerminalFailure } from '#domain/failures.ts';
import { measurementIdOf, messageIdOf } from '#domain/identity.ts';
import type { MeasurementStatus } from '#domain/measurement-status.ts';
import type { FailedMessage, ReplayAudit } from '#domain/ports/failed-message-store.ts';

const ID = '0b0e3b0a-7a3f-5d0e-9a55-0c9e6a3f1c11';
const FOLDER = { account: 'landing', container: 'recordings', path: 'drive-7/' };
const SCENE = {
  sceneId: 's1',
  type: 'hard-braking',
  startTime: '2026-03-01T10:00:00.000Z',
  endTime: '2026-03-01T10:00:02.000Z',
  confidence: 0.9,
};
const STREAM: MeasurementStatus['dataStreams'][number] = {
  dataStreamId: 'd1',
  kind: 'raw',
  zone: 'raw',
  state: 'Completed',
  generation: 1,
  locations: [FOLDER],
  parents: [],
  fileCount: 1,
  sizeBytes: 10,
  rowCount: 0,
  files: [{ ...FOLDER, path: 'drive-7/a.bag', sizeBytes: 10 }],
};
const STATUS: MeasurementStatus = {
  measurementId: ID,
  fleet: 'test',
  recordingId: 'drive-7',
  vehicle: { vin: 'WLF1' },
  generation: 1,
  state: 'Running',
  stages: [{ stage: 'validate', state: 'Succeeded', attempt: 1 }],
  dataStreams: [STREAM],
  scenes: [SCENE],
  shares: [],
};
const LINE = { measurementId: ID, fleet: 'test', generation: 1, state: 'Running' as const };
const DEAD_LETTER: FailedMessage = {
  failedMessageId: 'f1',
  queue: 'sync',
  messageType: 'landfall.measurement.sync.v1',
  cloudEventId: 'e1',
  reason: 'TerminalFailure:message-invalid',
  description: 'what?',
  body: { any: 'thing' },
  failedAt: '2026-03-01T10:00:00.000Z',
  state: 'failed',
  replayCount: 0,
};
const CONFIGURATION = { vin: 'W F1', validFrom: '2026-03-01T00:00:00.000Z', dbc: {}, topicMap: {} };
const AUDIT: ReplayAudit = {
  operationId: 'o1',
  actor: 'ada',
  why: 'corrected',
  at: '2026-03-01T10:00:00.000Z',
  failedMessageIds: ['f1'],
  dryRun: false,
};
const REPLAY = { operationId: 'o1', dryRun: false, found: 1, replayed: 1, skipped: 0 };

function fakeOperations() {
  return {
    status: sinon.fake(async (measurementId: string) => (measurementId === ID ? STATUS : undefined)),
    list: sinon.fake.resolves([LINE]),
    fleetOf: sinon.fake.resolves('test'),
    lineage: sinon.fake.resolves({ measurementId: ID, edges: [{ from: 'recording', to: 'd1' }] }),
    createMeasurement: sinon.fake.resolves({ folder: FOLDER }),
    placeDataStream: sinon.fake.resolves({ dataStreamId: 'd2', locations: [FOLDER] }),
    steer: sinon.fake(async (..._wish: readonly unknown[]) => undefined),
    reportTask: sinon.fake.resolves(undefined),
    shareLink: sinon.fake.resolves({
      url: 'https://share.example/p.tar?sig=1',
      expiresAt: '2026-03-02T00:00:00Z',
    }),
    vehicleConfigurations: sinon.fake.resolves([CONFIGURATION]),
    saveVehicleConfiguration: sinon.fake.resolves(CONFIGURATION),
    deadLetters: sinon.fake.resolves([DEAD_LETTER]),
    deadLetter: sinon.fake(async (id: string) => (id === 'f1' ? DEAD_LETTER : undefined)),
    replayDeadLetters: sinon.fake.resolves(REPLAY),
    replays: sinon.fake.resolves([AUDIT]),
    queueCounts: sinon.fake.resolves([{ queue: 'sync', active: 1, scheduled: 0, deadLettered: 2 }]),
    newRequestId: sinon.fake.returns('new-request'),
  } satisfies MetadataOperations;
}

type OpenApi = {
  paths: Record<
    string,
    Record<string, { responses: Record<string, { content?: Record<string, { schema: object }> }> }>
  >;
};

describe('metadata API', () => {
  let operations: ReturnType<typeof fakeOperations>;
  let ask: (
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) => Promise<Response>;
  beforeEach(() => {
    operations = fakeOperations();
    const app = metadataApi(operations, anybody);
    ask = async (method, path, body, headers = {}) =>
      app.request(path, {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
  });

  /** Method, path as documented, path as asked, body, status. */
  const GOOD: readonly [string, string, string, unknown, number][] = [
    ['get', '/health', '/health', undefined, 200],
    ['post', '/measurements', '/measurements', manifest(), 201],
    ['get', '/measurements', '/measurements?fleet=test&limit=5', undefined, 200],
    ['get', '/measurements/{measurementId}', `/measurements/${ID}`, undefined, 200],
    ['get', '/measurements/{measurementId}/scenes', `/measurements/${ID}/scenes`, undefined, 200],
    ['get', '/measurements/{measurementId}/lineage', `/measurements/${ID}/lineage`, undefined, 200],
    ['post', '/measurements/{measurementId}/cancel', `/measurements/${ID}/cancel`, { reason: 'r' }, 202],
    [
      'post',
      '/measurements/{measurementId}/rerun',
      `/measurements/${ID}/rerun`,
      { reason: 'r', fromStage: 'sync' },
      202,
    ],
    [
      'post',
      '/measurements/{measurementId}/rehydrate',
      `/measurements/${ID}/rehydrate`,
      { reason: 'r', from: 'error' },
      202,
    ],
    ['post', '/measurements/{measurementId}/share-link', `/measurements/${ID}/share-link`, {}, 200],
    [
      'post',
      '/measurements/{measurementId}/data-streams',
      `/measurements/${ID}/data-streams`,
      { kind: 'labeled', name: 'mine' },
      201,
    ],
    ['get', '/measurements/{measurementId}/data-streams', `/measurements/${ID}/data-streams`, undefined, 200],
    [
      'put',
      '/measurements/{measurementId}/data-streams/{dataStreamId}/state',
      `/measurements/${ID}/data-streams/d1/state`,
      { attempt: 1, state: 'Processing' },
      202,
    ],
    ['post', '/tasks/{taskId}/report', '/tasks/t1/report', { outcome: 'succeeded' }, 202],
    ['get', '/dead-letters', '/dead-letters?queue=sync', undefined, 200],
    ['get', '/dead-letters/{failedMessageId}', '/dead-letters/f1', undefined, 200],
    ['post', '/dead-letters/replay', '/dead-letters/replay', { failedMessageIds: ['f1'] }, 200],
    ['get', '/replays', '/replays', undefined, 200],
    ['get', '/queues', '/queues', undefined, 200],
    ['get', '/vehicles/{vin}/configurations', '/vehicles/W%20F1/configurations', undefined, 200],
    [
      'post',
      '/vehicles/{vin}/configurations',
      '/vehicles/W%20F1/configurations',
      { referenceClock: '/gnss' },
      201,
    ],
  ];

  it('answers every route of its document as the document says', async () => {
    const document = openApiDocument() as OpenApi;
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    assert.deepEqual(documented.toSorted(), GOOD.map(([method, path]) => `${method} ${path}`).toSorted());
    const ajv = new Ajv2020({ strict: false });
    addFormats.default(ajv);
    for (const [method, path, asked, body, status] of GOOD) {
      const response = await ask(method.toUpperCase(), asked, body);
      assert.equal(response.status, status, `${method} ${asked}: ${await response.clone().text()}`);
      const schema = document.paths[path]?.[method]?.responses[status]?.content?.['application/json']?.schema;
      if (schema === undefined) assert.equal(await response.text(), '');
      else assert.ok(ajv.validate(schema, await response.json()), `${method} ${path}: ${ajv.errorsText()}`);
    }
  });

  it('hands over what it was asked, with what was left out', async () => {
    await ask('GET', '/measurements?fleet=test');
    assert.deepEqual(operations.list.lastCall.args, [{ fleet: 'test' }, 100]);
    await ask('POST', `/measurements/${ID}/rehydrate`, { reason: 'lost', from: 'archive' });
    assert.deepEqual(operations.steer.lastCall.args, [
      'landfall.measurement.rehydrate.v1',
      { measurementId: ID, actor: 'operator', reason: 'lost', from: 'archive', priority: 'Standard' },
      'new-request',
    ]);
    await ask('GET', '/vehicles/W%20F1/configurations');
    assert.deepEqual(operations.vehicleConfigurations.lastCall.args, ['W F1']);
    await ask('POST', '/tasks/t1/report', { outcome: 'empty' });
    assert.deepEqual(operations.reportTask.lastCall.args, ['t1', { outcome: 'empty' }]);
  });

  it('computes the id of a measurement from its manifest', async () => {
    const response = await ask('POST', '/measurements', manifest());
    assert.deepEqual(await response.json(), {
      measurementId: measurementIdOf('test', 'drive-7'),
      folder: FOLDER,
    });
  });

  it('makes one wish of two that bring the same Idempotency-Key', async () => {
    for (const _ of [1, 2]) {
      await ask('POST', `/measurements/${ID}/cancel`, { reason: 'r' }, { 'Idempotency-Key': 'mine-1' });
      assert.equal(operations.steer.lastCall.args[2], 'mine-1');
      await ask(
        'POST',
        `/measurements/${ID}/data-streams`,
        { kind: 'raw', name: 'n' },
        { 'Idempotency-Key': 'k' },
      );
      assert.equal((operations.placeDataStream.lastCall.args as unknown[])[2], 'k');
    }
    assert.equal(operations.newRequestId.callCount, 0);
  });

  it('makes one message of a state that is reported twice, and another of the next attempt', async () => {
    const report = (attempt: number) =>
      ask('PUT', `/measurements/${ID}/data-streams/d1/state`, { attempt, state: 'Failed' });
    await report(1);
    await report(1);
    await report(2);
    assert.deepEqual(
      operations.steer.args.map((args) => args[2]),
      [1, 1, 2].map((attempt) => messageIdOf('report', 'd1', attempt, 'Failed')),
    );
  });

  describe('refuses', () => {
    const problem = async (response: Response, status: number, title: string, detail: RegExp) => {
      assert.equal(response.status, status);
      assert.equal(response.headers.get('content-type'), 'application/problem+json');
      const body = (await response.json()) as Record<string, unknown>;
      assert.deepEqual(Object.keys(body).toSorted(), ['detail', 'status', 'title', 'type']);
      assert.equal(body['status'], status);
      assert.equal(body['title'], title);
      assert.match(String(body['detail']), detail);
      return body;
    };

    it('a body that breaks a rule, and names the field', async () => {
      const bad = { ...manifest(), files: [{ path: '../secrets', sizeBytes: 1, md5: '0'.repeat(32) }] };
      const body = await problem(
        await ask('POST', '/measurements', bad),
        400,
        'message-invalid',
        /files\.0\.path: must not contain '\.\.'/,
      );
      assert.equal(body['type'], 'https://landfall.dev/runbooks/message-invalid');
      await problem(await ask('POST', `/measurements/${ID}/cancel`, {}), 400, 'message-invalid', /reason/);
      assert.equal(operations.createMeasurement.callCount + operations.steer.callCount, 0);
    });

    it('a body that is not JSON, or none', async () => {
      const path = `/measurements/${ID}/cancel`;
      await problem(await ask('POST', path, '{"reason":'), 400, 'message-invalid', /not JSON/);
      await problem(await ask('POST', path), 400, 'message-invalid', /./);
    });

    it('a path or query that cannot be', async () => {
      await problem(
        await ask('GET', '/measurements/drive-7'),
        400,
        'message-invalid',
        /measurementId: Invalid UUID/,
      );
      await problem(await ask('GET', '/measurements?limit=0'), 400, 'message-invalid', /limit/);
    });

    it('what is not there, with where to look', async () => {
      const other = '1b0e3b0a-7a3f-5d0e-9a55-0c9e6a3f1c11';
      for (const path of ['', '/scenes', '/lineage', '/data-streams']) {
        const response = await ask('GET', `/measurements/${other}${path}`);
        await problem(response, 404, 'not-found', /no measurement 1b0e3b0a.*GET \/measurements lists/);
      }
      await problem(await ask('GET', '/dead-letters/f2'), 404, 'not-found', /no dead letter f2/);
      await problem(await ask('GET', '/nothing'), 404, 'not-found', /no GET \/nothing.*openapi\.json/);
    });

    it('with the status that says whether to come again', async () => {
      for (const [error, status, title] of [
        [new TerminalFailure('not-allowed', 'It has ended.'), 409, 'not-allowed'],
        [new TerminalFailure('manifest-invalid', 'No.'), 400, 'manifest-invalid'],
        [new Conflict('Somebody was first.'), 409, 'concurrent-change'],
        [new RetryableFailure('dependency-unavailable', 'Cosmos is busy.'), 503, 'dependency-unavailable'],
        [new Cancelled('Stopping.'), 503, 'cancelled'],
      ] as const) {
        const failing = {
          ...operations,
          list: async () => {
            throw error;
          },
        };
        const app = metadataApi(failing, anybody);
        await problem(await app.request('/measurements'), status, title, new RegExp(error.message));
      }
    });

    it('without telling a stranger what broke inside; the log has it', async () => {
      const log = sinon.stub(console, 'error');
      try {
        const broken = new TypeError('secret of the house');
        const failing = {
          ...operations,
          list: async () => {
            throw broken;
          },
        };
        const app = metadataApi(failing, anybody);
        const body = await problem(
          await app.request('/measurements'),
          500,
          'Internal error',
          /The log of the API/,
        );
        assert.doesNotMatch(JSON.stringify(body), /secret/);
        assert.deepEqual(log.firstCall.args, [broken]);
      } finally {
        log.restore();
      }
    });
  });

  it('publishes an OpenAPI 3.1 document that is valid, the same everywhere', async () => {
    const served = (await (await ask('GET', '/openapi.json')).json()) as object;
    assert.deepEqual(served, JSON.parse(JSON.stringify(openApiDocument())));
    const validator = new Validator();
    const { valid, errors } = await validator.validate(structuredClone(served) as Record<string, unknown>);
    assert.equal(valid, true, JSON.stringify(errors, null, 2));
    assert.equal(validator.version, '3.1');
  });
});

function manifest() {
  return {
    schemaVersion: 1,
    fleet: 'test',
    recordingId: 'drive-7',
    vehicle: { vin: 'WLF1' },
    files: [{ path: 'a.bag', sizeBytes: 1, md5: '0'.repeat(32) }],
  };
}
