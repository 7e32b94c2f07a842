import { mkdir, mkdtempDisposable, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { findEndpoint, knownEndpoints, parseEndpoint } from '../../../../src/apply/netns/cri-endpoint.ts'

test.each([
  ['/run/crio/crio.sock', '', '/run/crio/crio.sock'],
  ['unix:///run/crio/crio.sock', '/host', '/run/crio/crio.sock'],
  ['unix:/run/crio/crio.sock', '/host', '/run/crio/crio.sock'],
  ['/host/run/crio/crio.sock', '/host', '/run/crio/crio.sock'],
  ['unix:///host/run/crio/crio.sock', '/host/', '/run/crio/crio.sock'],
  ['/hosted/crio.sock', '/host', '/hosted/crio.sock'],
  ['/run/crio/crio.sock', '/', '/run/crio/crio.sock'],
])('%s with the host prefix %j is %s on the node', (endpoint, hostPrefix, path) => {
  expect(parseEndpoint(endpoint, hostPrefix)).toEqual({ kind: 'socket', path })
})

test.each(['', 'run/crio.sock', 'tcp://127.0.0.1:1', 'unix://run/crio.sock', 'npipe:////./pipe/x'])(
  '%j is no endpoint',
  (endpoint) => {
    const reason = `container runtime endpoint '${endpoint}': expected an absolute path of a unix socket, with or without unix:// before it`
    expect(parseEndpoint(endpoint, '/host')).toEqual({ kind: 'invalid', reason })
  },
)

test('without a socket, the paths that were tried are told as this process sees them', async () => {
  await using host = await mkdtempDisposable(join(tmpdir(), 'mnpd-host-'))
  await mkdir(join(host.path, 'run'))
  await writeFile(join(host.path, 'run/cri-dockerd.sock'), 'a file')
  expect(await findEndpoint(host.path)).toEqual({
    kind: 'none',
    tried: knownEndpoints.map((endpoint) => join(host.path, endpoint)),
  })
})

test('the first known socket is found, through links that stay within the host prefix', async () => {
  await using host = await mkdtempDisposable(join(tmpdir(), 'mnpd-host-'))
  await mkdir(join(host.path, 'data'))
  await symlink('/data', join(host.path, 'run'))
  const endpoints = ['/run/containerd/containerd.sock', '/run/cri-dockerd.sock', '/run/crio/crio.sock']
  for (const endpoint of endpoints) {
    const path = join(host.path, endpoint.replace('/run/', '/data/'))
    await mkdir(dirname(path), { recursive: true })
    const server = createServer().listen(path)
    await using _ = { [Symbol.asyncDispose]: async () => void server.close() }
    await expect.poll(() => findEndpoint(host.path)).toEqual({ kind: 'found', endpoint })
  }
})
