/**
 * `/healthz`, `/readyz` and `/metrics`, only where an address is given: an open port on the host network is not for us to
 * choose.
 */
import { createServer } from 'node:http'
import { UsageError } from './usage-error.ts'

export interface Endpoints {
  readonly ready: () => boolean
  /** The Prometheus text format. */
  readonly metrics: () => Promise<string>
}

interface Answer {
  readonly status: number
  readonly text: string
}

/** @throws UsageError where the address cannot be listened on. */
export async function serveEndpoints(
  { host, port }: { readonly host: string; readonly port: number },
  endpoints: Endpoints,
): Promise<AsyncDisposable> {
  const server = createServer(async (request, response) => {
    const { status, text } = await answer(request.url?.split('?')[0], endpoints)
    response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4', connection: 'close' }).end(text)
  })
  server.requestTimeout = 5_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new UsageError(`--bind-address: ${error.message}`, 'an address that is free', { cause: error })),
    )
    server.listen({ host, port }, resolve)
  })
  return {
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

async function answer(path: string | undefined, { ready, metrics }: Endpoints): Promise<Answer> {
  switch (path) {
    case '/healthz':
      return { status: 200, text: 'ok\n' }
    case '/readyz':
      return ready() ? { status: 200, text: 'ok\n' } : { status: 503, text: 'not ready\n' }
    case '/metrics':
      return { status: 200, text: await metrics() }
    default:
      return { status: 404, text: 'not found\n' }
  }
}
