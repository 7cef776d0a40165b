//! The look that all plots of this repository share.

/// Style rules of an SVG. Colors follow the theme of the reader.
pub(crate) const THEME: &str = "
  .paper { fill: #ffffff } .frame { fill: none; stroke: #d0d7de }
  text { fill: #1f2328; font: 12px system-ui, sans-serif }
  .name { font-weight: 600 } .small { fill: #59636e; font-size: 11px }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 } .frame { stroke: #3d444d }
    text { fill: #f0f6fc } .small { fill: #9198a1 }
  }";
