import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { STAGES } from '#domain/vocabulary.ts';
import { EXIT } from './exit-codes.ts';

/** What each verb does; handed in by composition, so that a verb loads only what it needs. */
export interface Actions {
  up(): Promise<number>;
  down(): Promise<number>;
  demo(options: { once: boolean; speed?: number }): Promise<number>;
  env(): Promise<number>;
  doctor(options: {
    json: boolean;
    azure: boolean;
    subscription?: string;
    resourceGroup?: string;
    outside?: boolean;
  }): Promise<number>;
  worker(options: { roles: string; once: boolean }): Promise<number>;
  upload(folder: string, options: UploadOptions): Promise<number>;
  manifest(folder: string, options: ManifestOptions & { json: boolean }): Promise<number>;
  status(id: string | undefined, options: { watch: boolean; json: boolean }): Promise<number>;
  inspect(file: string, options: { json: boolean; png?: string }): Promise<number>;
  extract(file: string, options: ExtractOptions): Promise<number>;
  trace(id: string, options: { json: boolean; all: boolean }): Promise<number>;
  vehicleSet(vin: string, options: VehicleOptions): Promise<number>;
  vehicleShow(vin: string, options: { json: boolean }): Promise<number>;
  deadLettersList(options: { reason?: string; queue?: string; json: boolean }): Promise<number>;
  deadLettersShow(id: string, options: { json: boolean }): Promise<number>;
  deadLettersAudit(options: { json: boolean }): Promise<number>;
  deadLettersReplay(id: string | undefined, options: ReplayOptions): Promise<number>;
  rehydrate(
    id: string,
    options: { from?: string; priority: string; reason: string; json: boolean },
  ): Promise<number>;
  cancel(id: string, options: { reason: string; json: boolean }): Promise<number>;
  rerun(id: string, options: { from: string; reason: string; json: boolean }): Promise<number>;
  shareLink(id: string, options: { json: boolean }): Promise<number>;
}

export interface ManifestOptions {
  readonly fleet: string;
  readonly vin?: string;
}

export interface UploadOptions extends ManifestOptions {
  readonly wait: boolean;
  readonly json: boolean;
}

export interface ExtractOptions {
  readonly out: string;
  readonly topics?: string[];
  readonly from?: string;
  readonly to?: string;
  readonly dbc?: string[];
  readonly downsample?: string;
  readonly pcd: boolean;
  readonly json: boolean;
}

export interface VehicleOptions {
  readonly dbc?: string[];
  readonly topic?: string[];
  readonly referenceClock?: string;
  readonly validFrom?: string;
  readonly json: boolean;
}

export interface ReplayOptions {
  readonly all: boolean;
  readonly reason?: string;
  readonly queue?: string;
  readonly why?: string;
  readonly rate: number;
  readonly operation?: string;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** Runs one command line. @returns the exit code. */
export async function runProgram(argv: readonly string[], actions: Actions): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = buildProgram(actions, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    // Commander has already said what is wrong; help and version end with code 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    throw error;
  }
  return exitCode;
}

/** All verbs and options, for the parser and for the check of docs/command-line.md. */
export function buildProgram(actions: Actions, setExitCode: (code: number) => void): Command {
  const program = new Command('landfall')
    .description('Event-driven DataOps for automated driving, on Azure and on one laptop')
    .exitOverride()
    .showHelpAfterError('(landfall --help lists the commands)')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 wrong command line, 3 the measurement ended but not Shared,\n4 the file cannot be read, 5 the stack does not accept work. More in docs/command-line.md.',
    );
  const take = async (code: Promise<number>) => setExitCode(await code);
  stackCommands(program, actions, take);
  measurementCommands(program, actions, take);
  steeringCommands(program, actions, take);
  fileCommands(program, actions, take);
  operationsCommands(program, actions, take);
  return program;
}

type Take = (code: Promise<number>) => Promise<void>;

const asJson = () => new Option('--json', 'machine output').default(false);

function stackCommands(program: Command, actions: Actions, take: Take): void {
  program
    .command('up')
    .description(
      'start the local stack, the workers and the API; stays in the foreground (the same as npm start)',
    )
    .action(() => take(actions.up()));
  program
    .command('down')
    .description('stop what `landfall up` started, cleanly')
    .action(() => take(actions.down()));
  program
    .command('demo')
    .description('drive a measurement through all the stages and show every step')
    .option('--once', 'end when the measurement has ended', false)
    .action((options) => take(actions.demo(options)));
  program
    .command('env')
    .description(
      'print the settings of the running stack as shell export lines; exit code 5 until it accepts work',
    )
    .action(() => take(actions.env()));
  program
    .command('doctor')
    .description('check this machine and the stack, and say what to fix')
    .option('--azure', 'check a deployed environment instead', false)
    .option('--subscription <id>', 'with --azure: the subscription (default: AZURE_SUBSCRIPTION_ID)')
    .option('--resource-group <name>', 'with --azure: the environment (default: AZURE_RESOURCE_GROUP)')
    .option('--outside', 'with --azure: do not connect to endpoints, which only its network reaches', false)
    .addOption(asJson())
    .action((options) => take(actions.doctor(options)));
  program
    .command('worker')
    .description('host the named roles in this process')
    .requiredOption('--roles <names>', 'comma-separated; `all`, `road` and `sweeps` are groups')
    .option('--once', 'let each take one turn and end, as a scheduled job; sweeps only', false)
    .action((options) => take(actions.worker(options)));
}

function measurementCommands(program: Command, actions: Actions, take: Take): void {
  program
    .command('upload')
    .description('put a folder into Landing; makes a manifest where there is none')
    .argument('<folder>')
    .option('--fleet <name>', 'owner of the vehicle', 'default')
    .option('--vin <vin>', 'vehicle identification number')
    .option('--wait', 'wait until the measurement has ended; exit code 3 unless Shared', false)
    .addOption(asJson())
    .action((folder, options) => take(actions.upload(folder, options)));
  program
    .command('manifest')
    .description('write manifest.json into a folder of recording files')
    .argument('<folder>')
    .option('--fleet <name>', 'owner of the vehicle', 'default')
    .option('--vin <vin>', 'vehicle identification number')
    .addOption(asJson())
    .action((folder, options) => take(actions.manifest(folder, options)));
  program
    .command('status')
    .description('what is where, and why; all measurements, or one')
    .argument('[id]')
    .option('--watch', 'stay and show changes', false)
    .addOption(asJson())
    .action((id, options) => take(actions.status(id, options)));
  program
    .command('trace')
    .description('the spans of a measurement as a tree, with durations')
    .argument('<measurement>')
    .option('--all', 'show each call to a service, not one line for all of a span', false)
    .addOption(asJson())
    .action((id, options) => take(actions.trace(id, options)));
}

/** What people ask of a measurement; the saga decides. */
function steeringCommands(program: Command, actions: Actions, take: Take): void {
  program
    .command('rehydrate')
    .description('bring a measurement back to Landing from the archive or the error zone, and run it again')
    .argument('<measurement>')
    .addOption(
      new Option('--from <zone>', 'where from; chosen by its state when left out').choices([
        'archive',
        'error',
      ]),
    )
    .addOption(
      new Option('--priority <priority>', 'of the archive tier')
        .choices(['Standard', 'High'])
        .default('Standard'),
    )
    .option('--reason <text>', 'why, for the audit', 'asked by an operator')
    .addOption(asJson())
    .action((id, options) => take(actions.rehydrate(id, options)));
  program
    .command('cancel')
    .description('stop working on a measurement')
    .argument('<measurement>')
    .requiredOption('--reason <text>', 'why, for the audit')
    .addOption(asJson())
    .action((id, options) => take(actions.cancel(id, options)));
  program
    .command('rerun')
    .description('start a new generation of a measurement from a stage')
    .argument('<measurement>')
    .addOption(
      new Option('--from <stage>', 'first stage to run again').choices([...STAGES]).makeOptionMandatory(),
    )
    .requiredOption('--reason <text>', 'why, for the audit')
    .addOption(asJson())
    .action((id, options) => take(actions.rerun(id, options)));
  program
    .command('share-link')
    .description('a fresh link to the labeling package of a measurement')
    .argument('<measurement>')
    .addOption(asJson())
    .action((id, options) => take(actions.shareLink(id, options)));
}

function fileCommands(program: Command, actions: Actions, take: Take): void {
  program
    .command('inspect')
    .description('what is in a recording file; needs no stack')
    .argument('<file>')
    .option('--png <path>', 'draw rates and gaps over time')
    .addOption(asJson())
    .action((file, options) => take(actions.inspect(file, options)));
  program
    .command('extract')
    .description('the tables, images and point clouds of a recording file; needs no stack')
    .argument('<file>')
    .requiredOption('--out <dir>', 'folder for what is extracted')
    .option('--topics <names...>', 'only these topics or channel groups')
    .option('--from <time>', 'rows at or after; RFC 3339, or seconds from the start')
    .option('--to <time>', 'rows before; RFC 3339, or seconds from the start')
    .option('--dbc <files...>', '[<bus>=]<file>: decode CAN frames')
    .option(
      '--downsample <rule>',
      'rate=<Hz>, every=<n>, distance=<metres>, keep=<from>..<to>; several separated by commas',
    )
    .option('--pcd', 'each lidar scan as a PCD file too', false)
    .addOption(asJson())
    .action((file, options) => take(actions.extract(file, options)));
}

function operationsCommands(program: Command, actions: Actions, take: Take): void {
  const vehicle = program.command('vehicle').description('the configuration of a vehicle over time');
  vehicle
    .command('set')
    .description('what is true of a vehicle, for all its recordings or for those from --valid-from on')
    .argument('<vin>')
    .option('--dbc <files...>', '<bus>=<file>')
    .option('--topic <names...>', '<topic>=<kind> where the type does not tell')
    .option('--reference-clock <topic>', 'topic whose clock the others are put on')
    .option('--valid-from <time>', 'RFC 3339')
    .addOption(asJson())
    .action((vin, options) => take(actions.vehicleSet(vin, options)));
  vehicle
    .command('show')
    .description('what is known of a vehicle, and from when')
    .argument('<vin>')
    .addOption(asJson())
    .action((vin, options) => take(actions.vehicleShow(vin, options)));

  const deadLetters = program
    .command('dead-letters')
    .description('messages that failed for good, and their replay');
  deadLetters
    .command('list')
    .description('which messages failed for good, counted by cause')
    .option('--reason <reason>', 'only messages that failed for this reason')
    .option('--queue <queue>', 'only messages of this queue')
    .addOption(asJson())
    .action((options) => take(actions.deadLettersList(options)));
  deadLetters
    .command('show')
    .description('one of them, with the message as it was')
    .argument('<id>')
    .addOption(asJson())
    .action((id, options) => take(actions.deadLettersShow(id, options)));
  deadLetters
    .command('audit')
    .description('who replayed what, when and why; dry runs too')
    .addOption(asJson())
    .action((options) => take(actions.deadLettersAudit(options)));
  deadLetters
    .command('replay')
    .description('send one, or all that fit, to their consumers again')
    .argument('[id]')
    .option('--all', 'every failed message that fits', false)
    .option('--reason <reason>', 'only messages that failed for this reason')
    .option('--queue <queue>', 'only messages of this queue')
    .option('--why <text>', 'for the audit')
    .option('--rate <number>', 'messages per second', positiveNumber, 50)
    .option('--operation <id>', 'go on with a replay that was interrupted, under its audit entry')
    .option('--dry-run', 'count only', false)
    .addOption(asJson())
    .action((id, options) => take(actions.deadLettersReplay(id, options)));
}

function positiveNumber(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('give a number above 0');
  return value;
}
