/** Something the person should read: what happened, and what to do now. Thrown anywhere, shown by `showErrors`. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly status: number;
  readonly title: string;
  /** Where the button of the page leads. */
  readonly next: { readonly href: string; readonly label: string };
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    title: string,
    message: string,
    {
      next = HOME,
      headers = {},
      cause,
    }: { next?: AppError['next']; headers?: Readonly<Record<string, string>>; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.status = status;
    this.title = title;
    this.next = next;
    this.headers = headers;
  }
}

const HOME = { href: '/', label: 'Go to the start' };

export const SIGN_IN_AGAIN = { href: '/sign-in', label: 'Sign in again' };

export function isAppError(error: unknown): error is AppError {
  return (error as { name?: unknown } | null)?.name === 'AppError';
}
