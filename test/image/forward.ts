/**
 * A node of the tests has a network of its own, with the API server outside of it. This carries connections over: the
 * program at the end listens on the node's loopback and passes each on to a unix socket, where the test's process takes
 * it to the server. The address stays the same on both sides, and so does the server's certificate.
 */
import { createConnection, createServer, type Server, type Socket } from 'node:net'

/** @returns the arguments for Node.js to run this file with, on the node. */
export function forwardOnNode(port: number, socketPath: string): readonly string[] {
  return [import.meta.filename, String(port), socketPath]
}

/** The test's side; closed with the server. */
export function forwardToLoopback(port: number, socketPath: string): Server {
  return pass({ port, host: '127.0.0.1' }).listen(socketPath)
}

type Destination = { readonly path: string } | { readonly port: number; readonly host: string }

function pass(destination: Destination): Server {
  return createServer((incoming) => {
    const outgoing = createConnection(destination)
    join(incoming, outgoing)
    join(outgoing, incoming)
  })
}

/** What one side sends goes to the other, and so does its end, however it ends. */
function join(from: Socket, to: Socket): void {
  from.on('error', () => to.destroy())
  from.on('close', () => to.destroy())
  from.pipe(to)
}

if (import.meta.main) {
  const [port, path = ''] = process.argv.slice(2)
  pass({ path }).listen({ port: Number(port), host: '127.0.0.1' })
}
