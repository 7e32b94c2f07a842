/** The thin CNI plugin: hands one call to the server at the socket it is given, prints what that says, and ends so. */
import { connect } from 'node:net'
import { json } from 'node:stream/consumers'

const { CNI_COMMAND, CNI_CONTAINERID, CNI_NETNS, CNI_ARGS } = process.env
const socket = connect({ path: process.argv[2] ?? '', allowHalfOpen: true })
socket.end(
  JSON.stringify({ command: CNI_COMMAND, sandboxId: CNI_CONTAINERID, netns: CNI_NETNS, args: CNI_ARGS }),
)
const { code, print } = (await json(socket)) as { code: number; print: string }
process.stdout.write(print)
process.exitCode = code
