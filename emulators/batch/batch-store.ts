// Pools, jobs and tasks in SQLite. Every change is on disk before it is acknowledged.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { JobDocument, PoolDocument, TaskDocument } from './documents.ts';

export interface StoredTask {
  readonly jobId: string;
  readonly document: TaskDocument;
}

export interface StoredAccount {
  readonly pools: PoolDocument[];
  readonly jobs: JobDocument[];
  /** In the order they were added. */
  readonly tasks: StoredTask[];
}

export class BatchStore {
  readonly #database: DatabaseSync;
  readonly #saveTask: StatementSync;
  readonly #saveProcessGroup: StatementSync;

  constructor(dataFolder: string) {
    mkdirSync(dataFolder, { recursive: true });
    this.#database = new DatabaseSync(join(dataFolder, 'batch.sqlite'));
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS pools (id TEXT PRIMARY KEY, document TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS jobs
        (sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, document TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS tasks
        (sequence INTEGER PRIMARY KEY AUTOINCREMENT, jobId TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
         processGroup INTEGER, UNIQUE (jobId, id));
    `);
    this.#saveTask = this.#database.prepare(
      `INSERT INTO tasks (jobId, id, document) VALUES (?, ?, ?)
       ON CONFLICT (jobId, id) DO UPDATE SET document = excluded.document`,
    );
    this.#saveProcessGroup = this.#database.prepare(
      'UPDATE tasks SET processGroup = ? WHERE jobId = ? AND id = ?',
    );
  }

  load(): StoredAccount {
    const rows = <Row>(sql: string): Row[] => this.#database.prepare(sql).all() as unknown as Row[];
    return {
      pools: rows<DocumentRow>('SELECT document FROM pools').map(parseDocument<PoolDocument>),
      jobs: rows<DocumentRow>('SELECT document FROM jobs ORDER BY sequence').map(parseDocument<JobDocument>),
      tasks: rows<DocumentRow & { jobId: string }>('SELECT jobId, document FROM tasks ORDER BY sequence').map(
        (row) => ({ jobId: row.jobId, document: parseDocument<TaskDocument>(row) }),
      ),
    };
  }

  /** Forgets and returns the process groups of tasks that were running when the emulator was killed. */
  takeProcessGroups(): { taskId: string; processGroup: number }[] {
    const rows = this.#database
      .prepare('SELECT id AS taskId, processGroup FROM tasks WHERE processGroup IS NOT NULL')
      .all();
    this.#database.exec('UPDATE tasks SET processGroup = NULL');
    return rows as unknown as { taskId: string; processGroup: number }[];
  }

  savePool(pool: PoolDocument): void {
    this.#database
      .prepare('INSERT OR REPLACE INTO pools (id, document) VALUES (?, ?)')
      .run(pool.id, JSON.stringify(pool));
  }

  deletePool(id: string): void {
    this.#database.prepare('DELETE FROM pools WHERE id = ?').run(id);
  }

  saveJob(job: JobDocument): void {
    this.#database
      .prepare(
        'INSERT INTO jobs (id, document) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET document = excluded.document',
      )
      .run(job.id, JSON.stringify(job));
  }

  deleteJob(id: string): void {
    this.together(() => {
      this.#database.prepare('DELETE FROM tasks WHERE jobId = ?').run(id);
      this.#database.prepare('DELETE FROM jobs WHERE id = ?').run(id);
    });
  }

  saveTask(jobId: string, task: TaskDocument): void {
    this.#saveTask.run(jobId, task.id, JSON.stringify(task));
  }

  saveProcessGroup(jobId: string, taskId: string, processGroup: number | undefined): void {
    this.#saveProcessGroup.run(processGroup ?? null, jobId, taskId);
  }

  deleteTask(jobId: string, taskId: string): void {
    this.#database.prepare('DELETE FROM tasks WHERE jobId = ? AND id = ?').run(jobId, taskId);
  }

  /** All changes of `work` reach the disk together, and none when it throws. */
  together(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }
}

interface DocumentRow {
  readonly document: string;
}

function parseDocument<Document>(row: DocumentRow): Document {
  return JSON.parse(row.document) as Document;
}
