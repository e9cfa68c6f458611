import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { Manifest } from '#domain/manifest.ts';
import { Lineage, MeasurementLine, MeasurementStatus } from '#domain/measurement-status.ts';
import { TaskReportBody } from '#domain/tasks/task-report.ts';
import {
  BlobLocation,
  BlobReference,
  DataStreamKind,
  DataStreamState,
  Reason,
  Stage,
} from '#domain/vocabulary.ts';

import type { ApiRole } from './access.ts';

/**
 * The metadata API as data: what may be asked, with which bodies, and what is answered. metadata-api.ts says what
 * each route does; the OpenAPI document is made of this file alone.
 */

const SECURITY_SCHEME = 'entra';

export const VehicleRequest = z.object({
  validFrom: z.iso.datetime({ offset: true }).optional(),
  /** DBC files per bus, base64. */
  dbc: z.record(z.string(), z.object({ name: z.string(), content: z.base64() })).optional(),
  topicMap: z.record(z.string(), z.string()).optional(),
  referenceClock: z.string().optional(),
});
export type VehicleRequest = z.infer<typeof VehicleRequest>;

const VehicleConfiguration = z.object({
  vin: z.string(),
  validFrom: z.string(),
  dbc: z.record(z.string(), BlobReference),
  topicMap: z.record(z.string(), z.string()),
  referenceClock: z.string().optional(),
});

export const ReplayRequest = z.object({
  /** The id of an operation that was interrupted and is to go on; a new one when absent. */
  operationId: z
    .string()
    .regex(/^[\w-]{1,100}$/)
    .optional(),
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

const DeadLetter = z.object({
  failedMessageId: z.string(),
  queue: z.string(),
  messageType: z.string(),
  measurementId: z.string().optional(),
  cloudEventId: z.string(),
  reason: z.string(),
  description: z.string(),
  /** The message as it was: a CloudEvent, or whatever was sent. */
  body: z.unknown(),
  failedAt: z.string(),
  state: z.enum(['failed', 'replaying', 'replayed', 'archived']),
  replayCount: z.int(),
});

const ReplayAudit = z.object({
  operationId: z.string(),
  actor: z.string(),
  why: z.string(),
  at: z.string(),
  failedMessageIds: z.array(z.string()),
  dryRun: z.boolean(),
});

const QueueCount = z.object({
  queue: z.string(),
  active: z.int(),
  scheduled: z.int(),
  deadLettered: z.int(),
});
export type QueueCount = z.infer<typeof QueueCount>;

const Problem = z
  .object({ type: z.string(), title: z.string(), status: z.int(), detail: z.string() })
  .openapi('Problem');

const problems = {
  default: {
    description: 'a problem (RFC 9457)',
    content: { 'application/problem+json': { schema: Problem } },
  },
};
const json = <S extends z.ZodType>(description: string, schema: S) => ({
  description,
  content: { 'application/json': { schema } },
});
const body = <S extends z.ZodType>(schema: S) => ({
  body: { content: { 'application/json': { schema } }, required: true },
});
const accepted = { 202: { description: 'accepted; the saga decides' } };

const params = z.object({ measurementId: z.uuid() });
/** A caller that may repeat itself sends the same key: the wish is then one wish. */
const headers = z.object({ 'idempotency-key': z.string().min(1).max(200).optional() });
const limit = z.coerce.number().int().min(1).max(1000).default(100);
const Steering = z.object({ actor: z.string().default('operator'), reason: z.string().min(1) });

/** The app role a caller must have; enforced by metadata-api.ts, published as the route's security requirement. */
const needs = (role: ApiRole) => ({ security: [{ [SECURITY_SCHEME]: [role] }] });

export const health = createRoute({
  method: 'get',
  path: '/health',
  summary: 'Whether the API answers',
  responses: { 200: json('it does', z.object({ status: z.literal('ok') })) },
});

export const createMeasurement = createRoute({
  method: 'post',
  path: '/measurements',
  ...needs('Measurements.Write'),
  summary: 'Create a measurement from its manifest; answers where its files go',
  request: body(Manifest),
  responses: {
    201: json('created', z.object({ measurementId: z.string(), folder: BlobLocation })),
    ...problems,
  },
});

export const listMeasurements = createRoute({
  method: 'get',
  path: '/measurements',
  ...needs('Measurements.Read'),
  summary: 'Measurements, the newest first',
  request: {
    query: z.object({
      fleet: z.string().optional(),
      vin: z.string().optional(),
      state: z.string().optional(),
      limit,
    }),
  },
  responses: {
    200: json('measurements', z.object({ measurements: z.array(MeasurementLine) })),
    ...problems,
  },
});

export const readMeasurement = createRoute({
  method: 'get',
  path: '/measurements/{measurementId}',
  ...needs('Measurements.Read'),
  summary: 'Everything about one measurement',
  request: { params },
  responses: { 200: json('the measurement', MeasurementStatus), ...problems },
});

export const readScenes = createRoute({
  method: 'get',
  path: '/measurements/{measurementId}/scenes',
  ...needs('Measurements.Read'),
  summary: 'The scenes of a measurement',
  request: { params },
  responses: { 200: json('scenes', z.object({ scenes: MeasurementStatus.shape.scenes })), ...problems },
});

export const readLineage = createRoute({
  method: 'get',
  path: '/measurements/{measurementId}/lineage',
  ...needs('Measurements.Read'),
  summary: 'What was made from what',
  request: { params },
  responses: { 200: json('lineage', Lineage), ...problems },
});

export const cancel = createRoute({
  method: 'post',
  path: '/measurements/{measurementId}/cancel',
  ...needs('Measurements.Write'),
  summary: 'Stop working on a measurement',
  request: { params, headers, ...body(Steering) },
  responses: { ...accepted, ...problems },
});

export const rerun = createRoute({
  method: 'post',
  path: '/measurements/{measurementId}/rerun',
  ...needs('Measurements.Write'),
  summary: 'Start a new generation from a stage',
  request: { params, headers, ...body(Steering.extend({ fromStage: Stage })) },
  responses: { ...accepted, ...problems },
});

export const rehydrate = createRoute({
  method: 'post',
  path: '/measurements/{measurementId}/rehydrate',
  ...needs('Measurements.Write'),
  summary: 'Bring the files back to Landing and run again',
  request: {
    params,
    headers,
    ...body(
      Steering.extend({
        from: z.enum(['archive', 'error']).optional(),
        priority: z.enum(['Standard', 'High']).default('Standard'),
      }),
    ),
  },
  responses: { ...accepted, ...problems },
});

export const shareLink = createRoute({
  method: 'post',
  path: '/measurements/{measurementId}/share-link',
  ...needs('Shares.Create'),
  summary: 'A fresh, short-lived link to the labeling package; recorded with who asked',
  request: { params, ...body(z.object({ actor: z.string().default('operator') })) },
  responses: { 200: json('the link', z.object({ url: z.url(), expiresAt: z.string() })), ...problems },
});

export const announceDataStream = createRoute({
  method: 'post',
  path: '/measurements/{measurementId}/data-streams',
  ...needs('DataStreams.Write'),
  summary: 'Announce a data stream; answers its places',
  request: {
    params,
    headers,
    ...body(
      z.object({
        kind: DataStreamKind,
        name: z.string().min(1).max(100),
        parents: z.array(z.string()).default([]),
      }),
    ),
  },
  responses: {
    201: json('its id and places', z.object({ dataStreamId: z.string(), locations: z.array(BlobLocation) })),
    ...problems,
  },
});

export const readDataStreams = createRoute({
  method: 'get',
  path: '/measurements/{measurementId}/data-streams',
  ...needs('Measurements.Read'),
  summary: 'The data streams of a measurement',
  request: { params },
  responses: {
    200: json('data streams', z.object({ dataStreams: MeasurementStatus.shape.dataStreams })),
    ...problems,
  },
});

export const reportDataStreamState = createRoute({
  method: 'put',
  path: '/measurements/{measurementId}/data-streams/{dataStreamId}/state',
  ...needs('DataStreams.Write'),
  summary: 'Report the state of a data stream; fenced by its attempt',
  request: {
    params: params.extend({ dataStreamId: z.string() }),
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
});

export const reportTask = createRoute({
  method: 'post',
  path: '/tasks/{taskId}/report',
  ...needs('Tasks.Report'),
  summary: 'A task says how it ended',
  request: { params: z.object({ taskId: z.string() }), ...body(TaskReportBody) },
  responses: { ...accepted, ...problems },
});

export const listDeadLetters = createRoute({
  method: 'get',
  path: '/dead-letters',
  ...needs('Operations.Read'),
  summary: 'Messages that failed for good',
  request: { query: z.object({ queue: z.string().optional(), reason: z.string().optional(), limit }) },
  responses: { 200: json('dead letters', z.object({ deadLetters: z.array(DeadLetter) })), ...problems },
});

export const readDeadLetter = createRoute({
  method: 'get',
  path: '/dead-letters/{failedMessageId}',
  ...needs('Operations.Read'),
  summary: 'One dead letter, whole',
  request: { params: z.object({ failedMessageId: z.string() }) },
  responses: { 200: json('the dead letter', DeadLetter), ...problems },
});

export const replayDeadLetters = createRoute({
  method: 'post',
  path: '/dead-letters/replay',
  ...needs('Operations.Replay'),
  summary: 'Send dead letters to their consumers again',
  request: body(ReplayRequest),
  responses: { 200: json('what was done', ReplayAnswer), ...problems },
});

export const listReplays = createRoute({
  method: 'get',
  path: '/replays',
  ...needs('Operations.Read'),
  summary: 'Who replayed which dead letters, and why; the newest first',
  request: { query: z.object({ limit }) },
  responses: { 200: json('replays', z.object({ replays: z.array(ReplayAudit) })), ...problems },
});

export const readQueues = createRoute({
  method: 'get',
  path: '/queues',
  ...needs('Operations.Read'),
  summary: 'How many messages wait where',
  responses: { 200: json('queues', z.object({ queues: z.array(QueueCount) })), ...problems },
});

export const readVehicleConfigurations = createRoute({
  method: 'get',
  path: '/vehicles/{vin}/configurations',
  ...needs('Vehicles.Read'),
  summary: 'What was true of a vehicle, and from when',
  request: { params: z.object({ vin: z.string().min(1) }) },
  responses: {
    200: json('configurations', z.object({ configurations: z.array(VehicleConfiguration) })),
    ...problems,
  },
});

export const saveVehicleConfiguration = createRoute({
  method: 'post',
  path: '/vehicles/{vin}/configurations',
  ...needs('Vehicles.Write'),
  summary: 'What is true of a vehicle from a time on',
  request: { params: z.object({ vin: z.string().min(1) }), ...body(VehicleRequest) },
  responses: { 201: json('the configuration', VehicleConfiguration), ...problems },
});

/** All of them; those without a role are open to everybody who reaches the API. */
export const ROUTES = [
  health,
  createMeasurement,
  listMeasurements,
  readMeasurement,
  readScenes,
  readLineage,
  cancel,
  rerun,
  rehydrate,
  shareLink,
  announceDataStream,
  readDataStreams,
  reportDataStreamState,
  reportTask,
  listDeadLetters,
  readDeadLetter,
  replayDeadLetters,
  listReplays,
  readQueues,
  readVehicleConfigurations,
  saveVehicleConfiguration,
];

export const OPENAPI = {
  openapi: '3.1.0',
  info: {
    title: 'Landfall metadata API',
    version: '1.0.0',
    description: 'Measurements, data streams, scenes and lineage; where data lies; what went wrong.',
  },
};

/** Registers how callers show who they are. */
export function describeAccess(app: Pick<OpenAPIHono, 'openAPIRegistry'>): void {
  app.openAPIRegistry.registerComponent('securitySchemes', SECURITY_SCHEME, {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description:
      'An access token of the Entra ID tenant. The roles a route names, and `Fleet.<name>` or `Fleet.All` where it is about a measurement, must be among its `roles`. On a laptop no token is asked for.',
  });
}

/** The role a route asks for, or undefined where it is open. */
export function roleOf(route: (typeof ROUTES)[number]): ApiRole | undefined {
  return 'security' in route ? (route.security[0]?.[SECURITY_SCHEME]?.[0] as ApiRole | undefined) : undefined;
}

/** The OpenAPI 3.1 document, as GET /openapi.json gives it and as docs/openapi.json holds it. */
export function openApiDocument(): object {
  const app = new OpenAPIHono();
  describeAccess(app);
  for (const route of ROUTES) app.openAPIRegistry.registerPath(route);
  return app.getOpenAPI31Document(OPENAPI);
}
