/** Commands in the order in which nft takes them. Pieces that many transactions have in common are printed as JSON once. */
import type { Json } from './expression-types.ts'
import { encodeCommand } from './json.ts'
import type { Command } from './types.ts'

export class CommandList {
  readonly #pieces: { readonly commands: readonly Command[]; readonly isShared: boolean }[] = []
  /** The last piece, where it is this list's alone. */
  #own: Command[] | undefined

  push(...commands: readonly Command[]): void {
    if (this.#own === undefined) {
      this.#own = []
      this.#pieces.push({ commands: this.#own, isShared: false })
    }
    this.#own.push(...commands)
  }

  /** @param commands of which nothing will ever change */
  share(commands: readonly Command[]): void {
    if (commands.length === 0) return
    this.#pieces.push({ commands, isShared: true })
    this.#own = undefined
  }

  /** Of the rules after all that is shared; undefined where one has none. */
  get ownComments(): readonly string[] | undefined {
    const comments = (this.#own ?? []).flatMap((command) =>
      'add' in command && 'rule' in command.add ? [command.add.rule.comment] : [],
    )
    const known = comments.filter((comment) => comment !== undefined)
    return known.length === comments.length ? known : undefined
  }

  get all(): readonly Command[] {
    return this.#pieces.flatMap(({ commands }) => commands)
  }

  /** What `nft -j -f -` reads: `{"nftables":[…]}`. */
  get json(): { readonly nftables: readonly Json[] } {
    return { nftables: this.all.map((command) => encodeCommand(command) as Json) }
  }

  /** The same as text. */
  get text(): string {
    const texts = this.#pieces.map(({ commands, isShared }) =>
      isShared ? sharedText(commands) : textOf(commands),
    )
    return `{"nftables":[${texts.join(',')}]}`
  }
}

/** For as long as somebody has the commands. */
const texts = new WeakMap<readonly Command[], string>()

function sharedText(commands: readonly Command[]): string {
  const text = texts.get(commands) ?? textOf(commands)
  texts.set(commands, text)
  return text
}

function textOf(commands: readonly Command[]): string {
  return commands.map((command) => JSON.stringify(encodeCommand(command))).join(',')
}
