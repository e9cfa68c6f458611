// Pools, jobs and tasks as the Batch REST API shows them, and what a client may send. Only the fields the emulator acts on
// are named; all others are kept and shown as they came. Enumerations may arrive in any case.
import { z } from 'zod';

const id = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, hyphens and underscores');
const lowerCase = z.string().transform((text) => text.toLowerCase());
const duration = z.string().startsWith('P');
const settings = z.array(z.looseObject({ name: z.string(), value: z.string().default('') }));

export const PoolSchema = z.looseObject({
  id,
  vmSize: z.string(),
  targetDedicatedNodes: z.number().int().min(0).default(0),
  targetLowPriorityNodes: z.number().int().min(0).default(0),
  taskSlotsPerNode: z.number().int().min(1).max(256).default(1),
});

const JobConstraintsSchema = z.looseObject({
  maxWallClockTime: duration.optional(),
  maxTaskRetryCount: z.number().int().min(-1).optional(),
});

/** What may change in a job after it was added. */
export const JobPatchSchema = z.looseObject({
  priority: z.number().int().min(-1000).max(1000).optional(),
  onAllTasksComplete: lowerCase.pipe(z.enum(['noaction', 'terminatejob'])).optional(),
  constraints: JobConstraintsSchema.optional(),
});

export const JobSchema = z.looseObject({
  id,
  poolInfo: z.looseObject({ poolId: z.string().min(1) }),
  priority: z.number().int().min(-1000).max(1000).default(0),
  usesTaskDependencies: z.boolean().default(false),
  onAllTasksComplete: lowerCase.pipe(z.enum(['noaction', 'terminatejob'])).default('noaction'),
  onTaskFailure: lowerCase.pipe(z.enum(['noaction', 'performexitoptionsjobaction'])).default('noaction'),
  commonEnvironmentSettings: settings.default([]),
  constraints: JobConstraintsSchema.prefault({}),
});

const ExitOptionsSchema = z.looseObject({
  dependencyAction: lowerCase.pipe(z.enum(['satisfy', 'block'])).optional(),
  jobAction: lowerCase.pipe(z.enum(['none', 'disable', 'terminate'])).optional(),
});

const ResourceFileSchema = z.looseObject({
  httpUrl: z.url().optional(),
  storageContainerUrl: z.url().optional(),
  blobPrefix: z.string().optional(),
  filePath: z.string().optional(),
  fileMode: z.string().optional(),
});

const OutputFileSchema = z.looseObject({
  filePattern: z.string().min(1),
  destination: z.looseObject({
    container: z.looseObject({ containerUrl: z.url(), path: z.string().optional() }),
  }),
  uploadOptions: z.looseObject({
    uploadCondition: lowerCase.pipe(z.enum(['tasksuccess', 'taskfailure', 'taskcompletion'])),
  }),
});

const TaskConstraintsSchema = z.looseObject({
  maxWallClockTime: duration.optional(),
  retentionTime: duration.optional(),
  maxTaskRetryCount: z.number().int().min(-1).optional(),
});

export const TaskSchema = z.looseObject({
  id,
  commandLine: z.string(),
  containerSettings: z.looseObject({ imageName: z.string().min(1) }).optional(),
  resourceFiles: z.array(ResourceFileSchema).default([]),
  outputFiles: z.array(OutputFileSchema).default([]),
  environmentSettings: settings.default([]),
  constraints: TaskConstraintsSchema.prefault({}),
  requiredSlots: z.number().int().min(1).default(1),
  dependsOn: z
    .looseObject({
      taskIds: z.array(z.string()).default([]),
      taskIdRanges: z.array(z.object({ start: z.int(), end: z.int() })).default([]),
    })
    .optional(),
  exitConditions: z
    .looseObject({
      exitCodes: z.array(z.object({ code: z.int(), exitOptions: ExitOptionsSchema })).default([]),
      exitCodeRanges: z
        .array(z.object({ start: z.int(), end: z.int(), exitOptions: ExitOptionsSchema }))
        .default([]),
      preProcessingError: ExitOptionsSchema.optional(),
      fileUploadError: ExitOptionsSchema.optional(),
      default: ExitOptionsSchema.optional(),
    })
    .optional(),
});

export const TaskUpdateSchema = z.looseObject({ constraints: TaskConstraintsSchema.prefault({}) });

export type ExitOptions = z.output<typeof ExitOptionsSchema>;
export type ResourceFile = z.output<typeof ResourceFileSchema>;
export type OutputFile = z.output<typeof OutputFileSchema>;

/** What every document carries. Times are ISO 8601. */
interface Stamped {
  url: string;
  eTag: string;
  creationTime: string;
  lastModified: string;
  stateTransitionTime: string;
  previousState?: string;
  previousStateTransitionTime?: string;
}

export type PoolDocument = z.output<typeof PoolSchema> &
  Stamped & { state: 'active'; allocationState: 'steady'; currentDedicatedNodes: number };

export type JobDocument = z.output<typeof JobSchema> &
  Stamped & {
    state: 'active' | 'disabled' | 'completed';
    executionInfo: { startTime: string; poolId: string; endTime?: string; terminateReason?: string };
  };

export interface TaskFailureInfo {
  readonly category: 'UserError' | 'ServerError';
  readonly code: string;
  readonly message: string;
  readonly details?: readonly { readonly name: string; readonly value: string }[];
}

export interface TaskExecutionInfo {
  startTime?: string;
  endTime?: string;
  exitCode?: number;
  result?: 'success' | 'failure';
  failureInfo?: TaskFailureInfo;
  retryCount: number;
  lastRetryTime?: string;
  requeueCount: number;
  lastRequeueTime?: string;
}

export type TaskDocument = z.output<typeof TaskSchema> &
  Stamped & {
    state: 'active' | 'running' | 'completed';
    executionInfo: TaskExecutionInfo;
    nodeInfo?: { nodeId: string; poolId: string; taskRootDirectory: string };
  };
