/** TCP as fast as it goes from one pod to another, by a process in each. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Pod } from '../test/lab/pod.ts'

const PORT = 9
const CHUNK = 1 << 20

/** Writes how many bytes each second of a connection came, when the connection ends. */
const RECEIVER = `
  require('net').createServer((socket) => {
    let bytes = 0
    const began = performance.now()
    socket.on('data', (data) => { bytes += data.length })
    socket.on('close', () => { console.log((bytes * 8) / 1e6 / (performance.now() - began)); process.exit() })
    socket.on('error', () => {})
  }).listen(${PORT}, () => console.log('listening'))`

const SENDER = `
  const [address, ms] = process.argv.slice(1)
  setTimeout(() => process.exit(1), Number(ms) + 10_000).unref()
  const data = Buffer.alloc(${CHUNK})
  const socket = require('net').connect(${PORT}, address, () => {
    const end = performance.now() + Number(ms)
    const push = () => performance.now() < end ? socket.write(data, push) : socket.end(() => process.exit())
    push()
    push()
  })`

/** @returns Gbit/s */
export async function pushBytes(from: Pod, to: Pod, ms: number): Promise<number> {
  const receiver = run(to, RECEIVER, [])
  const said: string[] = []
  const ended = once(receiver, 'close')
  receiver.stdout?.setEncoding('utf8').on('data', (text: string) => said.push(text))
  await once(receiver.stdout ?? receiver, 'data')
  const [code] = await once(run(from, SENDER, [to.address(4), String(ms)]), 'close')
  if (code !== 0) receiver.kill()
  await ended
  const rate = Number(said.join('').split('\n')[1])
  if (!(rate > 0)) throw new Error(`nothing came: ${said.join('')}`)
  return rate
}

function run(pod: Pod, script: string, args: readonly string[]): ChildProcess {
  return spawn('nsenter', [`--net=${pod.netns}`, process.execPath, '-e', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}
