/** One reason why a registration is refused, in words for whoever sent it. */
export interface Problem {
  /** The member it is about, with its index where it is a list: `redirect_uris.1`. */
  field: string;
  message: string;
}
