import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What a network does to one connection. */
export interface Weather {
  /** Bytes of the answer that come through before the connection is cut. */
  cutAfter?: number;
  how?: 'fin' | 'rst';
  /** Bytes of the answer a second. */
  rate?: number;
  /** From here on nothing comes through, and nobody says why; bytes of the answer. */
  silentAfter?: number;
  /** Answers to requests for streams are held back until they end, as some proxies do. */
  buffers?: boolean;
}

/** A network on loopback, with weather. */
export class TcpProxy {
  /** Asked for each connection. */
  weather: () => Weather = () => ({});
  connections = 0;
  cuts = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(private readonly port: number) {
    this.#server = createServer((client) => this.#serve(client));
  }

  static async start(port: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(port);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Cuts every connection there is. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cutAll();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(client: Socket): void {
    this.connections += 1;
    const weather = this.weather();
    const server = connect(this.port, '127.0.0.1');
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      // An end that comes by force is an end like any other here.
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    }
    client.on('close', () => server.destroy());
    const answer = new Answer(client, weather, () => {
      this.cuts += 1;
    });
    client.on('data', (bytes) => {
      if (weather.buffers) answer.held = bytes.includes('/assistant/stream/');
      server.write(bytes);
    });
    client.on('end', () => server.end());
    server.on('data', (bytes) => answer.pass(bytes));
    server.on('close', () => answer.end());
  }
}

/** The way of the server's bytes to the client. */
class Answer {
  /** What this connection is asked for now is held back. */
  held = false;
  #sent = 0;
  #queue = Promise.resolve();
  #kept: Buffer[] = [];

  constructor(
    private readonly client: Socket,
    private readonly weather: Weather,
    private readonly onCut: () => void,
  ) {}

  pass(bytes: Buffer): void {
    if (this.held) {
      this.#kept.push(bytes);
      return;
    }
    this.#queue = this.#queue.then(() => this.#send(bytes));
  }

  end(): void {
    void this.#queue.then(() => {
      if (this.weather.silentAfter === undefined) this.client.end(Buffer.concat(this.#kept));
    });
  }

  async #send(bytes: Buffer): Promise<void> {
    const { cutAfter = Infinity, silentAfter = Infinity, rate, how } = this.weather;
    const room = Math.min(cutAfter, silentAfter) - this.#sent;
    const part = bytes.subarray(0, Math.max(0, room));
    this.#sent += part.length;
    if (this.client.destroyed) return;
    if (part.length > 0) this.client.write(part);
    if (rate) await new Promise((done) => setTimeout(done, (part.length / rate) * 1_000));
    if (this.#sent < cutAfter) return;
    this.onCut();
    if (how === 'rst') this.client.resetAndDestroy();
    else this.client.destroy();
  }
}
