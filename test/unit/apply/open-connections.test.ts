import { describe, expect, test } from 'vitest'
import { entriesOf } from '../../../src/apply/open-connections.ts'

/** As `ss -H -t -u -a -n -O` prints them: a listener, and connections either way. */
const LISTENERS = `
tcp LISTEN 0      128                    *:80                     *:*
udp UNCONN 0      0                0.0.0.0:53              0.0.0.0:*
`

const entry = (ends: string): string => `-A -p tcp ${ends} --state ESTABLISHED -u SEEN_REPLY,ASSURED -t 600`

describe('connections from before the first rules', () => {
  test.each([
    [
      'a connection to a port that is listened on was opened by the other end',
      'tcp ESTAB  0      0          10.1.0.2:80             10.1.0.3:40000',
      [entry('-s 10.1.0.3 -d 10.1.0.2 --sport 40000 --dport 80')],
    ],
    [
      'any other was opened by the pod, even to the same port elsewhere',
      'tcp ESTAB  0      0          10.1.0.2:40000          10.1.0.3:80',
      [entry('-s 10.1.0.2 -d 10.1.0.3 --sport 40000 --dport 80')],
    ],
    [
      'an IPv4 connection of a dual-stack socket is one of IPv4',
      'tcp ESTAB  0      0      [::ffff:10.1.0.2]:80  [::ffff:10.1.0.3]:40000',
      [entry('-s 10.1.0.3 -d 10.1.0.2 --sport 40000 --dport 80')],
    ],
    [
      'IPv6, link-local with its interface included',
      'tcp CLOSE-WAIT 0  0      [fe80::2]%net1:40000  [fe80::3]:22',
      [entry('-s fe80::2 -d fe80::3 --sport 40000 --dport 22')],
    ],
    [
      'UDP that is connected has no state',
      'udp ESTAB  0      0          10.1.0.2:40000          10.1.0.3:53',
      ['-A -p udp -s 10.1.0.2 -d 10.1.0.3 --sport 40000 --dport 53 -u SEEN_REPLY,ASSURED -t 600'],
    ],
    ['the pod with itself is nobody’s business', 'tcp ESTAB 0 0 10.1.0.2:80 10.1.0.2:40000', []],
    ['what has ended', 'tcp TIME-WAIT 0 0 10.1.0.2:80 10.1.0.3:40000', []],
    ['what is being opened is yet to be judged', 'tcp SYN-SENT 0 1 10.1.0.2:40000 10.1.0.3:80', []],
    ['no socket line', 'Netid State --file /etc/passwd\n\ntcp ESTAB 0 0 10.1.0.2:80', []],
  ])('%s', (_, line, expected) => {
    expect(entriesOf(`${LISTENERS}${line}`)).toEqual(expected)
  })

  test('a listener of UDP says nothing of TCP', () => {
    expect(entriesOf(`${LISTENERS}tcp ESTAB 0 0 10.1.0.2:53 10.1.0.3:40000`)).toEqual([
      entry('-s 10.1.0.2 -d 10.1.0.3 --sport 53 --dport 40000'),
    ])
  })
})
