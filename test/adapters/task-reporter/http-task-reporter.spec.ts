import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HttpTaskReporter } from '#adapters/task-reporter/http-task-reporter.ts';
import { RetryableFailure, TerminalFailure } from '#domain/failures.ts';

describe('reporting to the metadata API', () => {
  let server: Server;
  let answers: number[] = [];
  let requests: { url: string; body: string }[] = [];
  const waits: number[] = [];

  beforeEach((done) => {
    requests = [];
    waits.length = 0;
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        requests.push({ url: request.url ?? '', body });
        const status = answers.shift() ?? 202;
        if (status === 0) request.socket.destroy();
        else response.writeHead(status).end('{}');
      });
    }).listen(0, '127.0.0.1', done);
  });
  afterEach((done) => {
    server.close(done);
  });

  function reporter(): HttpTaskReporter {
    const { port } = server.address() as AddressInfo;
    return new HttpTaskReporter(`http://127.0.0.1:${port}/`, async (ms) => {
      waits.push(ms);
    });
  }

  it('posts the end of the task to its address', async () => {
    answers = [202];
    await reporter().report('run-000001', { outcome: 'empty' });
    assert.deepEqual(requests, [{ url: '/tasks/run-000001/report', body: '{"outcome":"empty"}' }]);
  });

  it('tries again when the API is overloaded or the connection breaks', async () => {
    answers = [503, 0, 202];
    await reporter().report('t-000000', { outcome: 'succeeded' });
    assert.equal(requests.length, 3);
    assert.deepEqual(waits, [1000, 2000]);
  });

  it('gives up after three tries, so that the poller takes over', async () => {
    answers = [500, 500, 500];
    await assert.rejects(reporter().report('t-000000', { outcome: 'succeeded' }), (error: unknown) => {
      assert.ok(error instanceof RetryableFailure);
      assert.match(error.message, /report of task t-000000 was not taken.*500/);
      return true;
    });
  });

  it('does not insist when the API knows no such task', async () => {
    answers = [404];
    await assert.rejects(reporter().report('t-000000', { outcome: 'succeeded' }), TerminalFailure);
    assert.equal(requests.length, 1);
  });
});
