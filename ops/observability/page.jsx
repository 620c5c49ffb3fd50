/** A dashboard, drawn with Grafana's own panel components from the data in window.dashboardData. */
import React from 'react';
import { createRoot } from 'react-dom/client';
import { BigValue, PanelChrome, TimeSeries } from '@grafana/ui';
import {
  createTheme,
  dateTime,
  FieldType,
  getDisplayProcessor,
  reduceField,
  ThemeContext,
  toDataFrame,
} from '@grafana/data';

const { dashboard, startSeconds, endSeconds, open, width } = window.dashboardData;
const MS = 1000;
const UNIT_HEIGHT = 32;
const GAP = 8;
const COLUMN = width / 24;

const theme = createTheme({ colors: { mode: 'dark' } });
Object.assign(document.body.style, {
  margin: '0',
  background: theme.colors.background.canvas,
  color: theme.colors.text.primary,
  fontFamily: 'Inter, Helvetica, Arial, sans-serif',
  fontSize: '12px',
});

// Of Grafana's own global styles, which its application sets.
const style = document.createElement('style');
style.textContent =
  '*{box-sizing:border-box}button{color:inherit;font:inherit;background:none;border:0;padding:0}h2{margin:0;font-size:14px;font-weight:500}ul{list-style:none;margin:0;padding:0}';
document.head.append(style);

const legendOf = (format, labels) =>
  format === ''
    ? ''
    : format.replaceAll(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => labels[label] ?? '').trim();

const numberOf = (text) => (Number.isFinite(Number(text)) ? Number(text) : null);

/** One frame per series. A gap in the data is a gap in the line. */
function framesOf(panel) {
  const { defaults } = panel.fieldConfig;
  return panel.targets.flatMap((target) =>
    target.result.map(({ metric, values }) => {
      const frame = toDataFrame({
        refId: target.refId,
        fields: [
          { name: 'Time', type: FieldType.time, values: values.map(([at]) => at * MS) },
          {
            name: 'Value',
            type: FieldType.number,
            values: values.map(([, value]) => numberOf(value)),
            labels: metric,
          },
        ],
      });
      const [time, value] = frame.fields;
      time.config = {};
      time.display = getDisplayProcessor({ field: time, theme, timeZone: 'utc' });
      value.config = { ...defaults, displayNameFromDS: legendOf(target.legendFormat, metric) };
      value.display = getDisplayProcessor({ field: value, theme, timeZone: 'utc' });
      return frame;
    }),
  );
}

/** A panel shows the colours of its series in one order, whatever query they are from. */
function numbered(frames) {
  frames.forEach(({ fields: [, value] }, seriesIndex) => {
    const known = value.values.filter((one) => one !== null);
    const [min, max] = [Math.min(...known), Math.max(...known)];
    value.state = { seriesIndex, range: { min, max, delta: max - min } };
  });
  return frames;
}

const timeRange = {
  from: dateTime(startSeconds * MS),
  to: dateTime(endSeconds * MS),
  raw: { from: 'now-1h', to: 'now' },
};

function Lines({ panel, frames, w, h }) {
  return (
    <TimeSeries
      width={w}
      height={h}
      frames={frames}
      timeRange={timeRange}
      timeZone="utc"
      legend={panel.options.legend}
      options={panel.options}
      tweakScale={(scale) => scale}
      tweakAxis={(axis) => axis}
    />
  );
}

function Stat({ panel, frames, w, h }) {
  const [first] = frames;
  const field = first?.fields[1];
  const last = field ? reduceField({ field, reducers: ['lastNotNull'] }).lastNotNull : null;
  const value =
    last === null || last === undefined
      ? {
          text: panel.fieldConfig.defaults.noValue ?? 'No data',
          numeric: Number.NaN,
          color: '#464c54',
        }
      : field.display(last);
  const { graphMode, colorMode, textMode, justifyMode } = panel.options;
  return (
    <BigValue
      width={w}
      height={h}
      theme={theme}
      value={value}
      colorMode={colorMode}
      graphMode={graphMode}
      textMode={textMode}
      justifyMode={justifyMode}
      sparkline={
        field && graphMode !== 'none' ? { x: first.fields[0], y: field, timeRange } : undefined
      }
    />
  );
}

class Catch extends React.Component {
  state = {};
  static getDerivedStateFromError(error) {
    return { error };
  }
  render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <pre className="drawing-error" data-panel={this.props.title}>
        {`${this.props.title}: ${error.stack ?? error}`}
      </pre>
    );
  }
}

function Panel({ panel, top }) {
  const { x, w, h } = panel.gridPos;
  const style = {
    position: 'absolute',
    left: x * COLUMN + GAP / 2,
    top: top * UNIT_HEIGHT,
    width: w * COLUMN - GAP,
    height: h * UNIT_HEIGHT - GAP,
  };
  if (panel.type === 'row')
    return (
      <div style={{ ...style, fontSize: 15, fontWeight: 500, paddingTop: 6 }}>
        {open || !panel.collapsed ? '▾' : '▸'} {panel.title}
        {!open && panel.collapsed && (
          <span style={{ color: theme.colors.text.secondary, fontSize: 12 }}>
            {`  (${panel.panels.length} panels)`}
          </span>
        )}
      </div>
    );
  const frames = numbered(framesOf(panel));
  const isStat = panel.type === 'stat';
  const isEmpty = frames.length === 0;
  return (
    <div style={style} className="drawn-panel">
      <Catch title={panel.title}>
        <PanelChrome
          title={panel.title}
          description={panel.description}
          width={style.width}
          height={style.height}
        >
          {(innerWidth, innerHeight) =>
            isStat ? (
              <Stat panel={panel} frames={frames} w={innerWidth} h={innerHeight} />
            ) : isEmpty ? (
              <div className="no-data" data-panel={panel.title} style={{ padding: 16 }}>
                No data
              </div>
            ) : (
              <Lines panel={panel} frames={frames} w={innerWidth} h={innerHeight} />
            )
          }
        </PanelChrome>
      </Catch>
    </div>
  );
}

/** Where each panel begins: closed rows take one line. */
function placed() {
  const all = [];
  let hidden = 0;
  let end = 0;
  for (const panel of dashboard.panels) {
    const top = panel.gridPos.y - hidden;
    all.push({ panel, top });
    end = Math.max(end, top + panel.gridPos.h);
    if (panel.type !== 'row' || !panel.collapsed) continue;
    const bottom = Math.max(...panel.panels.map(({ gridPos: { y, h } }) => y + h));
    if (open)
      for (const inner of panel.panels) {
        all.push({ panel: inner, top: inner.gridPos.y - hidden });
        end = Math.max(end, bottom - hidden);
      }
    else hidden += bottom - panel.gridPos.y - panel.gridPos.h;
  }
  return { all, end };
}

const { all, end } = placed();
createRoot(document.getElementById('dashboard')).render(
  <ThemeContext.Provider value={theme}>
    <div style={{ padding: '12px 8px 4px', fontSize: 18, fontWeight: 500 }}>{dashboard.title}</div>
    <div style={{ position: 'relative', width, height: end * UNIT_HEIGHT }}>
      {all.map(({ panel, top }) => (
        <Panel key={panel.id} panel={panel} top={top} />
      ))}
    </div>
  </ThemeContext.Provider>,
);
