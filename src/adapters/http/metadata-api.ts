import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { TerminalFailure } from '#domain/failures.ts';
import { measurementIdOf, messageIdOf } from '#domain/identity.ts';
import { Manifest } from '#domain/manifest.ts';
import { Lineage, MeasurementLine, MeasurementStatus } from '#domain/measurement-status.ts';
import type { DataOf } from '#domain/messages.ts';
import { sentenceOf } from '#domain/messages.ts';
import type { FailedMessage } from '#domain/ports/failed-message-store.ts';
import type { VehicleConfiguration } from '#domain/ports/vehicle-store.ts';
import { TaskReportBody } from '#domain/tasks/task-report.ts';
import {
  BlobLocation,
  BlobReference,
  DataStreamKind,
  DataStreamState,
  Reason,
  Stage,
} from '#domain/vocabulary.ts';
import type { SteeringCommand } from '#handlers/operations/steer-measurement.ts';
import { answerProblem, problemOf } from './problem.ts';

/** What the API does; handed in by composition from src/handlers/operations. */
export interface MetadataOperations {
  status(measurementId: string): Promise<MeasurementStatus | undefined>;
  list(
    filter: { fleet?: string; vin?: string; state?: string },
    limit: number,
  ): Promise<readonly MeasurementLine[]>;
  lineage(measurementId: string): Promise<Lineage>;
  /** Opens a folder in Landing for the manifest. */
  createMeasurement(manifest: Manifest): Promise<{ folder: BlobLocation }>;
  placeDataStream(
    measurementId: string,
    request: { kind: DataStreamKind; name: string; parents: readonly string[] },
    requestId: string,
  ): Promise<{ dataStreamId: string; locations: readonly BlobLocation[] }>;
  steer<T extends SteeringCommand>(type: T, data: DataOf<T>, requestId: string): Promise<void>;
  reportTask(taskId: string, body: TaskReportBody): Promise<void>;
  shareLink(measurementId: string, actor: string): Promise<{ url: string; expiresAt: string }>;
  vehicleConfigurations(vin: string): Promise<readonly VehicleConfiguration[]>;
  saveVehicleConfiguration(vin: string, request: VehicleRequest): Promise<VehicleConfiguration>;
  deadLetters(filter: { queue?: string; reason?: string }, limit: number): Promise<readonly FailedMessage[]>;
  deadLetter(failedMessageId: string): Promise<FailedMessage | undefined>;
  replayDeadLetters(request: ReplayRequest): Promise<ReplayAnswer>;
  queueCounts(): Promise<readonly QueueCount[]>;
  /** An id nobody has had yet, for a wish that brings none. */
  newRequestId(): string;
}

const VehicleRequest = z.object({
  validFrom: z.iso.datetime({ offset: true }).optional(),
  /** DBC files per bus, base64. */
  dbc: z.record(z.string(), z.object({ name: z.string(), content: z.base64() })).optional(),
  topicMap: z.record(z.string(), z.string()).optional(),
  referenceClock: z.string().optional(),
});
export type VehicleRequest = z.infer<typeof VehicleRequest>;

const ReplayRequest = z.object({
  failedMessageIds: z.array(z.string()).optional(),
  all: z.boolean().default(false),
  reason: z.string().optional(),
  queue: z.string().optional(),
  why: z.string().default('asked by an operator'),
  ratePerSecond: z.number().positive().default(50),
  dryRun: z.boolean().default(false),
  actor: z.string().default('operator'),
});
export type ReplayRequest = z.infer<typeof ReplayRequest>;

const ReplayAnswer = z.object({
  operationId: z.string(),
  dryRun: z.boolean(),
  found: z.int(),
  replayed: z.int(),
  /** Taken by another operation, or replayed already. */
  skipped: z.int(),
});
export type ReplayAnswer = z.infer<typeof ReplayAnswer>;

const QueueCount = z.object({
  queue: z.string(),
  active: z.int(),
  scheduled: z.int(),
  deadLettered: z.int(),
});
export type QueueCount = z.infer<typeof QueueCount>;

const MeasurementPath = z.object({ measurementId: z.uuid() });
const Steering = z.object({ actor: z.string().default('operator'), reason: z.string().min(1) });
const ProblemSchema = z
  .object({ type: z.string(), title: z.string(), status: z.int(), detail: z.string() })
  .openapi('Problem');

const problems = {
  default: {
    description: 'a problem (RFC 9457)',
    content: { 'application/problem+json': { schema: ProblemSchema } },
  },
};
const json = <S extends z.ZodType>(description: string, schema: S) => ({
  description,
  content: { 'application/json': { schema } },
});
const body = <S extends z.ZodType>(schema: S) => ({ body: { ...json('', schema), required: true } });
const accepted = { 202: { description: 'accepted; the saga decides' } };

/** The metadata API: measurements, data streams, scenes, lineage; task reports; dead letters; vehicles. */
export function metadataApi(operations: MetadataOperations): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result, context) => {
      if (result.success) return undefined;
      return answerProblem(context, {
        type: 'https://landfall.dev/runbooks/message-invalid',
        title: 'message-invalid',
        status: 400,
        detail: sentenceOf(result.error as z.ZodError),
      });
    },
  });
  app.onError((error, context) => {
    const problem = problemOf(error);
    if (problem.status === 500) console.error(error);
    return answerProblem(context, problem);
  });
  app.notFound((context) =>
    answerProblem(context, {
      type: 'about:blank',
      title: 'not-found',
      status: 404,
      detail: `There is no ${context.req.method} ${context.req.path}. See /openapi.json.`,
    }),
  );
  app.get('/health', (context) => context.json({ status: 'ok' }));
  measurementRoutes(app, operations);
  dataStreamRoutes(app, operations);
  operationsRoutes(app, operations);
  vehicleRoutes(app, operations);
  app.doc31('/openapi.json', OPENAPI);
  return app;
}

const OPENAPI = {
  openapi: '3.1.0',
  info: {
    title: 'Landfall metadata API',
    version: '1.0.0',
    description: 'Measurements, data streams, scenes and lineage; where data lies; what went wrong.',
  },
};

/** The OpenAPI 3.1 document, as /openapi.json gives it. */
export function openApiDocument(operations: MetadataOperations): object {
  return metadataApi(operations).getOpenAPI31Document(OPENAPI);
}

function measurementRoutes(app: OpenAPIHono, operations: MetadataOperations): void {
  app.openapi(
    createRoute({
      method: 'post',
      path: '/measurements',
      summary: 'Create a measurement from its manifest; answers where its files go',
      request: body(Manifest),
      responses: {
        201: json('created', z.object({ measurementId: z.string(), folder: BlobLocation })),
        ...problems,
      },
    }),
    async (context) => {
      const manifest = context.req.valid('json');
      const { folder } = await operations.createMeasurement(manifest);
      return context.json(
        { measurementId: measurementIdOf(manifest.fleet, manifest.recordingId), folder },
        201,
      );
    },
  );
  app.openapi(
    createRoute({
      method: 'get',
      path: '/measurements',
      summary: 'Measurements, the newest first',
      request: {
        query: z.object({
          fleet: z.string().optional(),
          vin: z.string().optional(),
          state: z.string().optional(),
          limit: z.coerce.number().int().min(1).max(1000).default(100),
        }),
      },
      responses: {
        200: json('measurements', z.object({ measurements: z.array(MeasurementLine) })),
        ...problems,
      },
    }),
    async (context) => {
      const { limit, ...filter } = context.req.valid('query');
      return context.json({ measurements: [...(await operations.list(given(filter), limit))] }, 200);
    },
  );
  app.openapi(
    createRoute({
      method: 'get',
      path: '/measurements/{measurementId}',
      summary: 'Everything about one measurement',
      request: { params: MeasurementPath },
      responses: { 200: json('the measurement', MeasurementStatus), ...problems },
    }),
    async (context) =>
      context.json(await statusOf(operations, context.req.valid('param').measurementId), 200),
  );
  app.openapi(
    createRoute({
      method: 'get',
      path: '/measurements/{measurementId}/scenes',
      summary: 'The scenes of a measurement',
      request: { params: MeasurementPath },
      responses: { 200: json('scenes', z.object({ scenes: MeasurementStatus.shape.scenes })), ...problems },
    }),
    async (context) => {
      const { scenes } = await statusOf(operations, context.req.valid('param').measurementId);
      return context.json({ scenes }, 200);
    },
  );
  app.openapi(
    createRoute({
      method: 'get',
      path: '/measurements/{measurementId}/lineage',
      summary: 'What was made from what',
      request: { params: MeasurementPath },
      responses: { 200: json('lineage', Lineage), ...problems },
    }),
    async (context) => {
      const { measurementId } = context.req.valid('param');
      await statusOf(operations, measurementId);
      return context.json(await operations.lineage(measurementId), 200);
    },
  );
  steeringRoutes(app, operations);
}

function steeringRoutes(app: OpenAPIHono, operations: MetadataOperations): void {
  app.openapi(
    createRoute({
      method: 'post',
      path: '/measurements/{measurementId}/cancel',
      summary: 'Stop working on a measurement',
      request: { params: MeasurementPath, ...body(Steering) },
      responses: { ...accepted, ...problems },
    }),
    async (context) => {
      const data = { ...context.req.valid('param'), ...context.req.valid('json') };
      await operations.steer('landfall.measurement.cancel.v1', data, requestIdOf(context, operations));
      return context.body(null, 202);
    },
  );
  app.openapi(
    createRoute({
      method: 'post',
      path: '/measurements/{measurementId}/rerun',
      summary: 'Start a new generation from a stage',
      request: { params: MeasurementPath, ...body(Steering.extend({ fromStage: Stage })) },
      responses: { ...accepted, ...problems },
    }),
    async (context) => {
      const data = { ...context.req.valid('param'), ...context.req.valid('json') };
      await operations.steer('landfall.measurement.rerun.v1', data, requestIdOf(context, operations));
      return context.body(null, 202);
    },
  );
  app.openapi(
    createRoute({
      method: 'post',
      path: '/measurements/{measurementId}/rehydrate',
      summary: 'Bring the files back to Landing and run again',
      request: {
        params: MeasurementPath,
        ...body(
          Steering.extend({
            from: z.enum(['archive', 'error']).optional(),
            priority: z.enum(['Standard', 'High']).default('Standard'),
          }),
        ),
      },
      responses: { ...accepted, ...problems },
    }),
    async (context) => {
      const { from, ...wish } = context.req.valid('json');
      const data = { ...context.req.valid('param'), ...wish, ...(from === undefined ? {} : { from }) };
      await operations.steer('landfall.measurement.rehydrate.v1', data, requestIdOf(context, operations));
      return context.body(null, 202);
    },
  );
  app.openapi(
    createRoute({
      method: 'post',
      path: '/measurements/{measurementId}/share-link',
      summary: 'A fresh, short-lived link to the labeling package; recorded with who asked',
      request: { params: MeasurementPath, ...body(z.object({ actor: z.string().default('operator') })) },
      responses: { 200: json('the link', z.object({ url: z.url(), expiresAt: z.string() })), ...problems },
    }),
    async (context) =>
      context.json(
        await operations.shareLink(context.req.valid('param').measurementId, context.req.valid('json').actor),
        200,
      ),
  );
}

function dataStreamRoutes(app: OpenAPIHono, operations: MetadataOperations): void {
  app.openapi(
    createRoute({
      method: 'post',
      path: '/measurements/{measurementId}/data-streams',
      summary: 'Announce a data stream; answers its places',
      request: {
        params: MeasurementPath,
        ...body(
          z.object({
            kind: DataStreamKind,
            name: z.string().min(1).max(100),
            parents: z.array(z.string()).default([]),
          }),
        ),
      },
      responses: {
        201: json(
          'its id and places',
          z.object({ dataStreamId: z.string(), locations: z.array(BlobLocation) }),
        ),
        ...problems,
      },
    }),
    async (context) => {
      const { measurementId } = context.req.valid('param');
      const placed = await operations.placeDataStream(
        measurementId,
        context.req.valid('json'),
        requestIdOf(context, operations),
      );
      return context.json({ ...placed, locations: [...placed.locations] }, 201);
    },
  );
  app.openapi(
    createRoute({
      method: 'get',
      path: '/measurements/{measurementId}/data-streams',
      summary: 'The data streams of a measurement',
      request: { params: MeasurementPath },
      responses: {
        200: json('data streams', z.object({ dataStreams: MeasurementStatus.shape.dataStreams })),
        ...problems,
      },
    }),
    async (context) => {
      const { dataStreams } = await statusOf(operations, context.req.valid('param').measurementId);
      return context.json({ dataStreams }, 200);
    },
  );
  app.openapi(
    createRoute({
      method: 'put',
      path: '/measurements/{measurementId}/data-streams/{dataStreamId}/state',
      summary: 'Report the state of a data stream; fenced by its attempt',
      request: {
        params: MeasurementPath.extend({ dataStreamId: z.string() }),
        ...body(
          z.object({
            attempt: z.int().positive(),
            state: DataStreamState,
            reason: Reason.optional(),
            manifest: BlobReference.optional(),
          }),
        ),
      },
      responses: { ...accepted, ...problems },
    }),
    async (context) => {
      const report = context.req.valid('json');
      const place = context.req.valid('param');
      // The same report said twice is one message, whoever repeats it.
      const requestId = messageIdOf('report', place.dataStreamId, report.attempt, report.state);
      await operations.steer('landfall.data-stream.report-state.v1', { ...place, ...report }, requestId);
      return context.body(null, 202);
    },
  );
  app.openapi(
    createRoute({
      method: 'post',
      path: '/tasks/{taskId}/report',
      summary: 'A task says how it ended',
      request: { params: z.object({ taskId: z.string() }), ...body(TaskReportBody) },
      responses: { ...accepted, ...problems },
    }),
    async (context) => {
      await operations.reportTask(context.req.valid('param').taskId, context.req.valid('json'));
      return context.body(null, 202);
    },
  );
}

function operationsRoutes(app: OpenAPIHono, operations: MetadataOperations): void {
  const DeadLetter = z.custom<FailedMessage>().openapi({ type: 'object' });
  app.openapi(
    createRoute({
      method: 'get',
      path: '/dead-letters',
      summary: 'Messages that failed for good',
      request: {
        query: z.object({
          queue: z.string().optional(),
          reason: z.string().optional(),
          limit: z.coerce.number().int().min(1).max(1000).default(100),
        }),
      },
      responses: { 200: json('dead letters', z.object({ deadLetters: z.array(DeadLetter) })), ...problems },
    }),
    async (context) => {
      const { limit, ...filter } = context.req.valid('query');
      return context.json(
        { deadLetters: [...(await operations.deadLetters(given(filter), limit))] } as never,
        200,
      );
    },
  );
  app.openapi(
    createRoute({
      method: 'get',
      path: '/dead-letters/{failedMessageId}',
      summary: 'One dead letter, whole',
      request: { params: z.object({ failedMessageId: z.string() }) },
      responses: { 200: json('the dead letter', DeadLetter), ...problems },
    }),
    async (context) => {
      const { failedMessageId } = context.req.valid('param');
      const found = await operations.deadLetter(failedMessageId);
      if (found === undefined)
        throw new TerminalFailure('not-found', `There is no dead letter ${failedMessageId}.`);
      return context.json(found as never, 200);
    },
  );
  app.openapi(
    createRoute({
      method: 'post',
      path: '/dead-letters/replay',
      summary: 'Send dead letters to their consumers again',
      request: body(ReplayRequest),
      responses: { 200: json('what was done', ReplayAnswer), ...problems },
    }),
    async (context) => context.json(await operations.replayDeadLetters(context.req.valid('json')), 200),
  );
  app.openapi(
    createRoute({
      method: 'get',
      path: '/queues',
      summary: 'How many messages wait where',
      responses: { 200: json('queues', z.object({ queues: z.array(QueueCount) })), ...problems },
    }),
    async (context) => context.json({ queues: [...(await operations.queueCounts())] }, 200),
  );
}

function vehicleRoutes(app: OpenAPIHono, operations: MetadataOperations): void {
  const Configuration = z.custom<VehicleConfiguration>().openapi({ type: 'object' });
  const params = z.object({ vin: z.string().min(1) });
  app.openapi(
    createRoute({
      method: 'get',
      path: '/vehicles/{vin}/configurations',
      summary: 'What was true of a vehicle, and from when',
      request: { params },
      responses: {
        200: json('configurations', z.object({ configurations: z.array(Configuration) })),
        ...problems,
      },
    }),
    async (context) => {
      const configurations = await operations.vehicleConfigurations(context.req.valid('param').vin);
      return context.json({ configurations: [...configurations] } as never, 200);
    },
  );
  app.openapi(
    createRoute({
      method: 'post',
      path: '/vehicles/{vin}/configurations',
      summary: 'What is true of a vehicle from a time on',
      request: { params, ...body(VehicleRequest) },
      responses: { 201: json('the configuration', Configuration), ...problems },
    }),
    async (context) =>
      context.json(
        (await operations.saveVehicleConfiguration(
          context.req.valid('param').vin,
          context.req.valid('json'),
        )) as never,
        201,
      ),
  );
}

async function statusOf(operations: MetadataOperations, measurementId: string): Promise<MeasurementStatus> {
  const status = await operations.status(measurementId);
  if (status === undefined) {
    throw new TerminalFailure(
      'not-found',
      `There is no measurement ${measurementId}. GET /measurements lists them.`,
    );
  }
  return status;
}

/** A caller that may repeat itself sends an Idempotency-Key. */
function requestIdOf(context: Context, operations: MetadataOperations): string {
  return context.req.header('idempotency-key') ?? operations.newRequestId();
}

/** Absent is absent: no keys with undefined. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
