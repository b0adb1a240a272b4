import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../../..');
/**
 * Runs a command as itself, and beside it one that waits for the end of this process, whatever ends it: a server in a
 * group of its own would outlive tests that are killed.
 */
const WITH_US = '(read -r _ <&3; kill -KILL 0) & exec "$@" 3<&-';
/** Longest that a start or an end may take, ms. */
const PATIENCE = 30_000;

/** The Python that has the server's requirements: PYTHON, or the one that `make` set up. */
export function pythonPath(): string {
  const python = process.env.PYTHON ?? join(ROOT, '.venv/bin/python');
  if (!existsSync(python)) throw new Error(`no Python at ${python}: run \`make test\` once, or set PYTHON`);
  return python;
}

/** The real server under gunicorn, on a port of loopback that it keeps over restarts. */
export class FlaskServer {
  #process: ChildProcess | null = null;

  private constructor(
    readonly port: number,
    private readonly app: string,
    private readonly settings: Record<string, string>,
    private readonly folder: string,
  ) {}

  /** `settings` are environment names, such as ASSISTANT_RATES. */
  static async start(
    app = 'tests.browser.app:app',
    settings: Record<string, string> = {},
  ): Promise<FlaskServer> {
    const folder = await mkdtemp(join(tmpdir(), 'flask-'));
    const server = new FlaskServer(await freePort(), app, settings, folder);
    await server.start();
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(ASSISTANT|JWT|RATELIMIT)_/.test(name)),
    );
    // A file and not a pipe: a pipe that nobody reads freezes the worker.
    const log = await open(this.#log, 'a');
    const gunicorn = [pythonPath(), '-m', 'gunicorn', '-c', 'python:assistant.gunicorn', this.app];
    const child = spawn('sh', ['-c', WITH_US, 'sh', ...gunicorn], {
      cwd: ROOT,
      env: {
        ...env,
        PYTHONPATH: ROOT,
        JWT_SECRET_KEY: 'a-secret-for-browser-tests-that-is-long-enough',
        ASSISTANT_GUESTS: '1',
        ASSISTANT_RATES: 'chat=100000/minute',
        ASSISTANT_MAX_ACTIVE_PER_USER: '100',
        HOST: '127.0.0.1',
        PORT: String(this.port),
        ...this.settings,
      },
      stdio: ['ignore', log.fd, log.fd, 'pipe'],
      // A group of its own, so that a kill reaches the workers.
      detached: true,
    });
    this.#process = child;
    child.once('exit', () => (child.stdio[3] as Socket).destroy());
    await log.close();
    await this.#ready(child);
  }

  /** Ends at once, as a machine that loses power does. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Asks the server to end as a deploy does: what runs may come to its end. */
  terminate(): void {
    this.#process?.kill('SIGTERM');
  }

  async ended(): Promise<void> {
    const child = this.#process;
    if (child && child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  async close(): Promise<void> {
    await this.#end('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }

  get #log(): string {
    return join(this.folder, 'log');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
    process.kill(-child.pid, signal);
    await once(child, 'exit');
  }

  async #ready(child: ChildProcess): Promise<void> {
    for (const until = Date.now() + PATIENCE; Date.now() < until; ) {
      if (child.exitCode !== null) break;
      const response = await fetch(`${this.origin}/readyz`).catch(() => null);
      if (response?.ok) return;
      await new Promise((done) => setTimeout(done, 50));
    }
    const log = await readFile(this.#log, 'utf8');
    throw new Error(`the server did not come up:\n${log.slice(-3_000)}`);
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
