/** `/healthz` and `/readyz`, only where an address is given: an open port on the host network is not for us to choose. */
import { createServer } from 'node:http'
import { UsageError } from './usage-error.ts'

/** @throws UsageError where the address cannot be listened on. */
export async function serveHealth(
  { host, port }: { readonly host: string; readonly port: number },
  ready: () => boolean,
): Promise<AsyncDisposable> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0]
    const status = path === '/healthz' ? 200 : path === '/readyz' ? (ready() ? 200 : 503) : 404
    const text = status === 200 ? 'ok' : status === 503 ? 'not ready' : 'not found'
    response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' }).end(`${text}\n`)
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
