import { expect, test } from 'vitest'
import { parseEndpoints, showEndpoint } from '../../src/endpoint.ts'

test.each([
  ['unix:/run/ovn/ovnnb_db.sock', { kind: 'unix', path: '/run/ovn/ovnnb_db.sock' }],
  ['tcp:10.0.0.1:6641', { kind: 'tcp', host: '10.0.0.1', port: 6641 }],
  ['ssl:ovn-nb.svc:6641', { kind: 'ssl', host: 'ovn-nb.svc', port: 6641 }],
  ['ssl:[fd00::1]:6641', { kind: 'ssl', host: 'fd00::1', port: 6641 }],
])('%s', (text, endpoint) => {
  expect(parseEndpoints(text)).toEqual([endpoint])
  expect(parseEndpoints(text).map(showEndpoint)).toEqual([text])
})

test('several, and the port that is meant when none is said', () => {
  expect(parseEndpoints('ssl:a:1, ssl:b').map(showEndpoint)).toEqual(['ssl:a:1', 'ssl:b:6640'])
})

test.each([
  '',
  'unix:',
  'tcp:',
  'tcp:fd00::1:6641',
  'tcp:[10.0.0.1]:1',
  'ssl:a:0',
  'ssl:a:65536',
  'http:a:1',
  'ssl:a:1,',
])('no endpoint: "%s"', (text) => {
  expect(() => parseEndpoints(text)).toThrow(/is no endpoint/)
})
