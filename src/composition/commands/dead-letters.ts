import {
  auditReplays,
  type DeadLetterCommandPorts,
  listDeadLetters,
  replayDeadLetters,
  showDeadLetter,
} from '#adapters/cli/dead-letters.ts';
import type { ReplayOptions } from '#adapters/cli/program.ts';
import { processTerminal } from '#adapters/cli/terminal.ts';
import { commandApi } from '../command-settings.ts';
import { actor } from './measurement.ts';

export function list(options: { reason?: string; queue?: string; json: boolean }): Promise<number> {
  return listDeadLetters(ports(), options);
}

export function show(id: string, options: { json: boolean }): Promise<number> {
  return showDeadLetter(ports(), id, options);
}

export function audit(options: { json: boolean }): Promise<number> {
  return auditReplays(ports(), options);
}

export function replay(id: string | undefined, options: ReplayOptions): Promise<number> {
  return replayDeadLetters(ports(), id, options);
}

function ports(): DeadLetterCommandPorts {
  return { api: commandApi(), terminal: processTerminal(), actor: actor() };
}
